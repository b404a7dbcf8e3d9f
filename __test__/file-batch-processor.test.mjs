// @ts-check
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { FileBatchProcessor, FileUtils, Semaphore } from '../lib/file-batch-processor.js'

const root = await fs.mkdtemp(path.join(os.tmpdir(), 'aiwf-files-'))
after(() => fs.rm(root, { recursive: true }))
const folder = () => fs.mkdtemp(path.join(root, 'test-'))

test('options have defaults, are writable and checked', () => {
  const { maxConcurrency, batchSize } = new FileBatchProcessor()
  assert.deepEqual([maxConcurrency, batchSize], [10, 50])
  const processor = new FileBatchProcessor({ maxConcurrency: 0, batchSize: 7 })
  assert.deepEqual([processor.maxConcurrency, processor.batchSize], [10, 7])
  processor.maxConcurrency = Number.POSITIVE_INFINITY
  assert.throws(() => (processor.batchSize = 0), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  assert.deepEqual([processor.maxConcurrency, processor.batchSize], [Infinity, 7])
  for (const options of /** @type {any[]} */ ([5, null, { maxConcurrency: '4' }])) {
    assert.throws(() => new FileBatchProcessor(options), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  assert.throws(() => /** @type {any} */ (FileBatchProcessor)(), TypeError)
})

test('writes with parent folders, reads, copies and makes folders', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const file = path.join(dir, 'new/folder/file')
  assert.equal(await processor.addWriteOperation(file, 'grüß 🎈'), undefined)
  assert.equal(await processor.addReadOperation(file), 'grüß 🎈')
  assert.equal(await processor.addReadOperation(pathToFileURL(file)), 'grüß 🎈')
  const bytes = await processor.addReadOperation(file, { encoding: 'buffer' })
  assert.deepEqual(bytes, Buffer.from('grüß 🎈'))
  const copy = path.join(dir, 'other/copy')
  await fs.chmod(file, 0o640)
  assert.equal(await processor.addCopyOperation(file, copy), undefined)
  assert.deepEqual(await fs.readFile(copy), bytes)
  assert.equal((await fs.stat(copy)).mode & 0o777, 0o640)
  const deep = path.join(dir, 'a/b/c')
  assert.equal(await processor.addMkdirOperation(deep), path.join(dir, 'a'))
  assert.equal(await processor.addMkdirOperation(deep), undefined)
  assert.equal(await processor.addMkdirOperation(`${dir}/m`, { mode: '700' }), `${dir}/m`)
  assert.equal((await fs.stat(`${dir}/m`)).mode & 0o777, 0o700)
})

test('encodings and content are those of node:fs', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const encodings = /** @type {BufferEncoding[]} */ (
    'utf8 UTF-8 utf16le ucs2 latin1 binary ascii base64 base64url hex'.split(' ')
  )
  const content = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }))
  const property = async (
    /** @type {string | Uint8Array} */ value,
    /** @type {BufferEncoding} */ encoding,
  ) => {
    await processor.addWriteOperation(`${dir}/ours`, value, { encoding })
    await fs.writeFile(`${dir}/nodes`, value, { encoding })
    assert.deepEqual(await fs.readFile(`${dir}/ours`), await fs.readFile(`${dir}/nodes`))
    const text = await processor.addReadOperation(`${dir}/ours`, { encoding })
    assert.equal(text, await fs.readFile(`${dir}/nodes`, { encoding }))
  }
  await fc.assert(fc.asyncProperty(content, fc.constantFrom(...encodings), property), {
    numRuns: 300,
    examples: [
      [Buffer.from('\ufeffwith a mark'), 'utf8'],
      [Buffer.from('cut off: €').subarray(0, -1), 'utf8'],
      ['lone \ud800 surrogate', 'utf8'],
    ],
  })
})

test('any view is written with exactly its bytes', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const words = new Uint16Array([1, 2, 3, 0xfffe]).subarray(1, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7)
  const view = new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)
  const views = [words, shared, view, new Float64Array(0)]
  for (const [index, value] of views.entries()) {
    await processor.addWriteOperation(`${dir}/${index}`, value)
    const expected = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    assert.deepEqual(await fs.readFile(`${dir}/${index}`), Buffer.from(expected))
  }
})

test('a view may change once its turn has ended, however much the turn brought', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const paths = Array.from({ length: 3500 }, (_, index) => `${dir}/${index}`)
  const [early, late] = [Buffer.from('early'), Buffer.from('late')]
  const writes = paths.map((file) => processor.addWriteOperation(file, early))
  await new Promise(setImmediate)
  early.fill('X')
  // Some of the first turn's still wait, and this one queues up behind them.
  writes.push(processor.addWriteOperation(`${dir}/late`, late))
  await new Promise(setImmediate)
  late.fill('X')
  await Promise.all(writes)
  const texts = await Promise.all(paths.map((file) => processor.addReadOperation(file)))
  assert.deepEqual([...new Set(texts)], ['early'])
  assert.equal(await processor.addReadOperation(`${dir}/late`), 'late')
})

test('two thousand files at once, and honest statistics', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  assert.equal(processor.getStats().successRate, '0%')
  const files = Array.from({ length: 2000 }, (_, index) =>
    path.join(dir, `${index % 20}`, `${index}`),
  )
  const writes = files.map((file) => processor.addWriteOperation(file, `content of ${file}`))
  assert.equal(processor.getStats().queueLength, 2000)
  assert.equal(processor.getStats().isProcessing, true)
  await Promise.all(writes)
  const reads = files.map((file) => processor.addReadOperation(file))
  const missing = processor.addReadOperation(`${dir}/missing`)
  await assert.rejects(missing, { code: 'ENOENT' })
  await processor.waitForCompletion()
  const { averageProcessingTime, memoryUsage, bytes, ...counts } = processor.getStats()
  assert.deepEqual(counts, {
    totalOperations: 4001,
    successfulOperations: 4000,
    failedOperations: 1,
    queueLength: 0,
    isProcessing: false,
    successRate: '99.98%',
  })
  assert.ok(averageProcessingTime > 0 && memoryUsage > 0)
  assert.equal(
    bytes,
    files.reduce((sum, file) => sum + 2 * `content of ${file}`.length, 0),
  )
  assert.deepEqual(
    await Promise.all(reads),
    files.map((file) => `content of ${file}`),
  )
  assert.deepEqual((await fs.readdir(dir)).length, 20)
})

/** @typedef {{ do: 'read' | 'write' | 'append' | 'copy' | 'move' | 'remove' | 'hash', file: string, to: string, text: string }} Step */

/**
 * What an operation should resolve to, or `missing`, on files that are a map.
 *
 * @param {Map<string, string>} files
 * @param {Step} step
 */
function model(files, { do: what, file, to, text }) {
  const content = files.get(file)
  if (what === 'write') files.set(file, text)
  else if (what === 'append') files.set(file, (content ?? '') + text)
  else if (content === undefined) return 'missing'
  if (what === 'copy' && content !== undefined) files.set(to, content)
  if (what === 'remove' || what === 'move') files.delete(file)
  if (what === 'move' && content !== undefined) files.set(to, content)
  if (what === 'read') return content
  if (what === 'hash') return createHash('sha256').update(`${content}`).digest('hex')
}

test('operations on the same paths end as if run one after the other', async () => {
  const dir = await folder()
  const name = fc.constantFrom('a', 'b', 'c', 'd/e', 'd/f')
  /** @type {fc.Arbitrary<Step>} */
  const step = fc.record({
    do: fc.constantFrom('read', 'write', 'append', 'copy', 'move', 'remove', 'hash'),
    file: name,
    to: name,
    text: fc.string(),
  })
  let run = 0
  const property = async (/** @type {Step[]} */ steps, /** @type {number} */ batchSize) => {
    const place = path.join(dir, `${run++}`)
    const at = (/** @type {string} */ file) => path.join(place, file)
    const processor = new FileBatchProcessor({ batchSize, maxConcurrency: 8 })
    /** @type {Map<string, string>} */
    const files = new Map()
    const outcomes = steps.map(async (step) => {
      const expected = model(files, step)
      const [file, to] = [at(step.file), at(step.to)]
      const promise = {
        read: () => processor.addReadOperation(file),
        write: () => processor.addWriteOperation(file, step.text),
        append: () => processor.addAppendOperation(file, step.text),
        copy: () => processor.addCopyOperation(file, to),
        move: () => processor.addMoveOperation(file, to),
        remove: () => processor.addRemoveOperation(file),
        hash: () => processor.addHashOperation(file),
      }[step.do]()
      const missing = (/** @type {any} */ error) => (error.code === 'ENOENT' ? 'missing' : error)
      assert.deepEqual(await promise.catch(missing), expected)
    })
    await Promise.all(outcomes)
    for (const [file, text] of files) assert.equal(await fs.readFile(at(file), 'utf8'), text)
    const left = await fs.readdir(place, { recursive: true }).catch(() => [])
    assert.deepEqual(left.filter((name) => name !== 'd').sort(), [...files.keys()].sort())
  }
  const steps = fc.array(step, { minLength: 200, maxLength: 200 })
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 1, max: 60 }), property), {
    numRuns: 30,
    endOnFailure: true,
  })
})

test('a folder is made before what goes into it, and the other way round', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const [, made, again] = await Promise.all([
    processor.addReadOperation(`${dir}/nothing`).catch(() => {}),
    processor.addMkdirOperation(`${dir}/x/y`),
    processor.addWriteOperation(`${dir}/x/y/z/file`, 'text').then(() => {}),
  ])
  assert.deepEqual([made, again], [path.join(dir, 'x'), undefined])
  const [, late] = await Promise.all([
    processor.addWriteOperation(`${dir}/p/q/file`, 'text'),
    processor.addMkdirOperation(`${dir}/p/q`),
  ])
  assert.equal(late, undefined)
})

test('clearQueue rejects what has not started and nothing else', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const cleared = Promise.allSettled(
    ['a', 'b'].map((name) => processor.addWriteOperation(`${dir}/${name}`, 'text')),
  )
  processor.clearQueue()
  for (const outcome of await cleared) {
    assert.equal(outcome.status, 'rejected')
    assert.equal(outcome.reason.message, 'Queue cleared')
    assert.equal(outcome.reason.code, 'ERR_AIWF_QUEUE_CLEARED')
  }
  await processor.addWriteOperation(`${dir}/c`, 'text')
  assert.deepEqual(await fs.readdir(dir), ['c'])
  assert.equal(processor.getStats().totalOperations, 1)
})

test('waitForCompletion comes after every promise, and at once when idle', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  await processor.waitForCompletion()
  let settled = 0
  for (let index = 0; index < 300; index++) {
    processor.addWriteOperation(`${dir}/${index}`, '').then(() => settled++)
  }
  await processor.waitForCompletion()
  assert.equal(processor.getStats().queueLength, 0)
  assert.equal((await fs.readdir(dir)).length, 300)
  await new Promise(setImmediate)
  assert.equal(settled, 300)
})

test('waitForCompletion comes after every failure, and after what is asked for then', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  /** @type {string[]} */
  const told = []
  for (let index = 0; index < 5; index++) {
    processor.addReadOperation(`${dir}/missing`).catch(({ code }) => told.push(code))
  }
  await processor.waitForCompletion()
  assert.deepEqual(told, Array(5).fill('ENOENT'))
  const again = () => processor.addReadOperation(`${dir}/missing`)
  again()
    .catch(again)
    .catch(() => told.push('again'))
  await processor.waitForCompletion()
  assert.equal(told.at(-1), 'again')
})

test('large files: encodings are honoured, bytes are exact', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const bytes = Buffer.alloc(11 * 2 ** 20, 'ab')
  await processor.addWriteOperation(`${dir}/large`, bytes)
  await processor.addCopyOperation(`${dir}/large`, `${dir}/copy`)
  assert.ok(bytes.equals(await fs.readFile(`${dir}/copy`)))
  const text = await processor.addReadOperation(`${dir}/copy`, { encoding: 'utf16le' })
  assert.ok(text === bytes.toString('utf16le'))
  assert.ok(bytes.equals(await processor.addReadOperation(`${dir}/copy`, { encoding: 'buffer' })))
})

test('FileUtils works on many files and reports each failure', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const at = (/** @type {string} */ name) => path.join(dir, name)
  const [a, b, bad] = [at('a'), at('sub/b'), at('a/not a folder')]
  const success = { success: /** @type {const} */ (true) }
  const written = await FileUtils.writeMultipleFiles({ [a]: 'A', [b]: 'B' }, processor)
  assert.deepEqual(written, { [a]: success, [b]: success })
  const read = await FileUtils.readMultipleFiles([b, bad, a], processor)
  const error = `ENOTDIR: not a directory, open '${bad}'`
  assert.deepEqual(Object.entries(read), [
    [b, 'B'],
    [bad, { error }],
    [a, 'A'],
  ])
  const copied = await FileUtils.copyMultipleFiles({ [a]: at('c/a') }, processor)
  assert.deepEqual(copied, { [a]: { ...success, destination: at('c/a') } })
  const made = await FileUtils.createDirectories([at('d/e'), a], processor)
  const exists = `EEXIST: file already exists, mkdir '${a}'`
  assert.deepEqual(made, { [at('d/e')]: success, [a]: { error: exists } })
})

test('FileUtils takes thousands of files in one call and keeps their order', async () => {
  const dir = await folder()
  const processor = new FileBatchProcessor()
  const paths = Array.from({ length: 5500 }, (_, index) => `${dir}/${(index * 7919) % 5500}`)
  const contents = Object.fromEntries(paths.map((file) => [file, `content of ${file}`]))
  const written = await FileUtils.writeMultipleFiles(contents, processor)
  assert.deepEqual(Object.keys(written), paths)
  const read = await FileUtils.readMultipleFiles(paths, processor)
  assert.deepEqual(Object.entries(read), Object.entries(contents))
  assert.deepEqual(await FileUtils.readMultipleFiles([], processor), {})
})

test('FileUtils takes thousands that are done before the event loop turns', async () => {
  const processor = new FileBatchProcessor()
  const paths = Array.from({ length: 4500 }, (_, index) => `${index}`)
  const override = { addReadOperation: async () => 'x' }
  const read = await FileUtils.readMultipleFiles(paths, override)
  assert.equal(Object.values(read).filter((text) => text === 'x').length, 4500)
  const bad = paths.map((file) => `${file}\0`)
  const refused = await FileUtils.readMultipleFiles(bad, processor)
  assert.ok(Object.values(refused).every((result) => typeof result === 'object'))
  assert.equal(Object.keys(refused).length, 4500)
})

test('FileUtils goes through overridden methods, all at once', async () => {
  class Shouting extends FileBatchProcessor {
    /** @type {any} */
    addReadOperation = async (/** @type {string} */ file) => {
      asked.push(file)
      await everyoneAsked
      return `${file}!`
    }
  }
  /** @type {string[]} */
  const asked = []
  /** @type {(value?: unknown) => void} */
  let release = () => {}
  const everyoneAsked = new Promise((resolve) => {
    release = resolve
  })
  const results = FileUtils.readMultipleFiles(['a', '__proto__'], new Shouting())
  assert.deepEqual(asked, ['a', '__proto__'])
  release()
  assert.deepEqual(Object.entries(await results), [
    ['a', 'a!'],
    ['__proto__', '__proto__!'],
  ])
})

test('Semaphore: first come first served, never above its capacity', async () => {
  const semaphore = new Semaphore(2)
  semaphore.release()
  /** @type {number[]} */
  const entered = []
  const waiting = [0, 1, 2, 3].map((caller) => semaphore.acquire().then(() => entered.push(caller)))
  await waiting[1]
  assert.deepEqual([semaphore.capacity, semaphore.current, semaphore.queue.length], [2, 2, 2])
  assert.deepEqual(entered, [0, 1])
  semaphore.release()
  await waiting[2]
  assert.deepEqual(entered, [0, 1, 2])
  for (let index = 0; index < 9; index++) semaphore.release()
  await waiting[3]
  assert.deepEqual([semaphore.current, semaphore.queue.length], [0, 0])
  assert.throws(() => new Semaphore(0), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => /** @type {any} */ (Semaphore)(1), TypeError)
})

test('Semaphore: those who wait come first when its capacity is raised', async () => {
  const semaphore = new Semaphore(1)
  /** @type {string[]} */
  const entered = []
  const enter = (/** @type {string} */ caller) =>
    semaphore.acquire().then(() => entered.push(caller))
  const [, b] = [enter('A'), enter('B')]
  semaphore.capacity = 2
  const c = enter('C')
  await b
  assert.deepEqual(entered, ['A', 'B'])
  assert.deepEqual([semaphore.current, semaphore.queue.length], [2, 1])
  semaphore.release()
  await c
  assert.deepEqual(entered, ['A', 'B', 'C'])
})
