// @ts-check
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import fs from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { FileBatchProcessor } from '../lib/file-batch-processor.js'
import { workspace } from './support/workspace.mjs'

const run = promisify(execFile)
const linux = { skip: process.platform !== 'linux' }
const tracer = { skip: Boolean(spawnSync('strace', ['-V']).error) }
const library = JSON.stringify(path.resolve(import.meta.dirname ?? '__test__', '../lib/index.js'))
const processor = new FileBatchProcessor()

/**
 * Runs the body of an async function of `processor`, `at` and `fs` in a process whose system calls strace changes.
 *
 * @param {string} dir
 * @param {string[]} options of strace
 * @param {string} body
 */
async function traced(dir, options, body) {
  const script = path.join(dir, 'script.cjs')
  await fs.writeFile(
    script,
    `const fs = require('node:fs')
    const { FileBatchProcessor } = require(${library})
    const processor = new FileBatchProcessor()
    const at = (name) => ${JSON.stringify(dir)} + '/' + name
    const main = async () => { ${body} }
    main().then((value) => console.log(JSON.stringify(value ?? null)))`,
  )
  const trace = ['-D', '-f', '-qqq', '-o', `${dir}/trace`, ...options]
  const { stdout } = await run('strace', [...trace, process.execPath, script])
  return JSON.parse(stdout)
}

for (const atomic of [true, false]) {
  test(`a copy has the holes of its original, atomic: ${atomic}`, linux, async (context) => {
    const dir = await workspace(context)
    const size = 64 << 20
    const handle = await fs.open(`${dir}/sparse`, 'w')
    await handle.truncate(size)
    await handle.write('in the middle', 5 << 20)
    await handle.write('later on', 40 << 20)
    await handle.close()
    const { blocks } = await fs.stat(`${dir}/sparse`)
    if (blocks * 512 >= size) return context.skip('the file system knows no holes')
    await fs.writeFile(`${dir}/old`, Buffer.alloc(1 << 20, 'what was there before'))
    for (const name of ['old', 'new']) {
      await processor.addCopyOperation(`${dir}/sparse`, `${dir}/${name}`, { atomic })
      const copied = await fs.stat(`${dir}/${name}`)
      assert.ok(copied.blocks <= blocks + 64, `${copied.blocks} blocks, not ${blocks}`)
      const [one, other] = await Promise.all(
        ['sparse', name].map((name) => fs.readFile(`${dir}/${name}`)),
      )
      assert.ok(one.equals(other))
    }
    const all = await fs.open(`${dir}/hole`, 'w')
    await all.truncate(size)
    await all.close()
    await processor.addCopyOperation(`${dir}/hole`, `${dir}/old`, { atomic })
    assert.equal((await fs.stat(`${dir}/old`)).size, size)
  })
}

test('goes on by hand where the system stops copying half-way', tracer, async (context) => {
  const dir = await workspace(context)
  const content = Buffer.alloc(21 << 20, 'some kilobytes')
  await fs.writeFile(`${dir}/from`, content)
  for (const when of ['1+', '3+']) {
    const inject = ['-e', `inject=copy_file_range:error=EXDEV:when=${when}`]
    const options = ['-e', 'trace=copy_file_range', ...inject]
    await traced(dir, options, "await processor.addCopyOperation(at('from'), at('to'))")
    assert.match(await fs.readFile(`${dir}/trace`, 'utf8'), /EXDEV.*INJECTED/)
    assert.ok(content.equals(await fs.readFile(`${dir}/to`)), when)
  }
  const broken = ['-e', 'trace=copy_file_range', '-e', 'inject=copy_file_range:error=EIO:when=2']
  const failing =
    "return processor.addCopyOperation(at('from'), at('to')).catch(({ code }) => code)"
  assert.equal(await traced(dir, broken, failing), 'EIO')
  assert.ok(content.equals(await fs.readFile(`${dir}/to`)))
})

test('goes on after an interruption, and when descriptors are short', tracer, async (context) => {
  const dir = await workspace(context)
  await fs.writeFile(`${dir}/from`, 'text')
  const body = `await processor.addWriteOperation(at('to'), 'old')
    await processor.addWriteOperation(at('to'), 'written')
    await processor.addAppendOperation(at('to'), ' and more')
    return processor.addReadOperation(at('from'))`
  for (const [calls, error] of [
    ['read', 'EINTR'],
    ['write', 'EINTR'],
    ['openat', 'ENFILE'],
    ['openat', 'EMFILE'],
  ]) {
    const inject = `inject=${calls}:error=${error}:when=1..3`
    const paths = ['from', 'to'].flatMap((name) => ['-P', `${dir}/${name}`])
    const options = [...paths, '-e', `trace=${calls}`, '-e', inject]
    assert.equal(await traced(dir, options, body), 'text', `${calls} ${error}`)
    assert.equal(await fs.readFile(`${dir}/to`, 'utf8'), 'written and more')
    await fs.rm(`${dir}/to`)
  }
})

test('what is durable is forced to the disk, and its folder too', tracer, async (context) => {
  const dir = await workspace(context)
  const body = `for (const name of ['new', 'new', 'other'])
      await processor.addWriteOperation(at(name), 'text', { fsync: true })
    await processor.addAppendOperation(at('new'), 'text', { fsync: true })
    await processor.addWriteOperation(at('fast'), 'text')`
  await traced(dir, ['-y', '-e', 'trace=fsync,fdatasync'], body)
  const calls = (await fs.readFile(`${dir}/trace`, 'utf8')).match(/f(data)?sync\(.*= 0/g) ?? []
  const folders = calls.filter((call) => call.includes(`<${dir}>`))
  assert.deepEqual([calls.length, folders.length], [7, 3])
})

test('a FIFO, a socket and a folder in a list fail alone', linux, async (context) => {
  const dir = await workspace(context)
  await run('mkfifo', [`${dir}/fifo`])
  const server = net.createServer().listen(`${dir}/socket`)
  context.after(() => server.close())
  const names = Array.from({ length: 200 }, (_, index) => `${dir}/${index}`)
  await Promise.all(names.map((name) => processor.addWriteOperation(name, name)))
  const odd = [`${dir}/fifo`, `${dir}/socket`, dir]
  const reads = names.flatMap((name, index) => (index % 10 ? [name] : [odd[index % 3], name]))
  const outcomes = await Promise.allSettled(reads.map((name) => processor.addReadOperation(name)))
  const codes = new Map(
    odd.map((name, index) => [name, ['ERR_AIWF_NOT_REGULAR_FILE', 'ENXIO', 'EISDIR'][index]]),
  )
  for (const [index, outcome] of outcomes.entries()) {
    const expected = codes.get(reads[index])
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, expected)
    else assert.deepEqual([outcome.value, expected], [reads[index], undefined])
  }
})
