// @ts-check
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { FileBatchProcessor } from '../lib/file-batch-processor.js'
import { workspace } from './support/workspace.mjs'

const unix = { skip: process.platform === 'win32' }
const processor = new FileBatchProcessor()

test('appends in the order asked, and makes what is missing', async (context) => {
  const file = path.join(await workspace(context), 'new/log')
  const lines = Array.from({ length: 100 }, (_, index) => `${index}\n`)
  await Promise.all(lines.map((line) => processor.addAppendOperation(file, line)))
  assert.equal(await processor.addReadOperation(file), lines.join(''))
  await processor.addAppendOperation(file, Buffer.from('end'), { fsync: true })
  assert.equal(await fs.readFile(file, 'utf8'), `${lines.join('')}end`)
  await assert.rejects(processor.addAppendOperation(path.dirname(file), ''), { code: 'EISDIR' })
})

test('moves files and folders, and keeps the order with what follows', async (context) => {
  const dir = await workspace(context)
  const [, , text] = await Promise.all([
    processor.addWriteOperation(`${dir}/a/file`, 'text'),
    processor.addMoveOperation(`${dir}/a`, `${dir}/deep/er/b`),
    processor.addReadOperation(`${dir}/deep/er/b/file`),
  ])
  assert.equal(text, 'text')
  assert.deepEqual(await fs.readdir(dir), ['deep'])
  const [from, to] = [path.join(dir, 'missing'), path.join(dir, 'x')]
  const message = `ENOENT: no such file or directory, rename '${from}' -> '${to}'`
  await assert.rejects(processor.addMoveOperation(from, to), { message, syscall: 'rename' })
})

test('moves across devices', async (context) => {
  const dir = await workspace(context)
  const other = '/dev/shm'
  if (!existsSync(other) || (await fs.stat(other)).dev === (await fs.stat(dir)).dev) {
    return context.skip('no second device')
  }
  const there = await fs.mkdtemp(`${other}/aiwf-test-`)
  context.after(() => fs.rm(there, { recursive: true }))
  await fs.mkdir(`${dir}/tree/sub`, { recursive: true })
  await fs.writeFile(`${dir}/tree/sub/file`, 'text', { mode: 0o750 })
  await fs.symlink('file', `${dir}/tree/sub/link`)
  await fs.utimes(`${dir}/tree/sub/file`, 1, 2)
  await processor.addMoveOperation(`${dir}/tree`, `${there}/new/tree`)
  assert.deepEqual(await fs.readdir(dir), [])
  const { mode, mtimeMs } = await fs.stat(`${there}/new/tree/sub/file`)
  assert.deepEqual([mode & 0o777, mtimeMs], [0o750, 2000])
  assert.equal(await fs.readlink(`${there}/new/tree/sub/link`), 'file')
  await fs.writeFile(`${dir}/old`, 'old')
  await processor.addMoveOperation(`${there}/new/tree/sub/file`, `${dir}/old`)
  assert.equal(await fs.readFile(`${dir}/old`, 'utf8'), 'text')
  assert.deepEqual(await fs.readdir(`${there}/new/tree/sub`), ['link'])
})

test('removes files, links and trees, but no folder unasked', async (context) => {
  const dir = await workspace(context)
  await processor.addWriteOperation(`${dir}/tree/sub/file`, '')
  await fs.writeFile(`${dir}/file`, '')
  await fs.symlink('tree', `${dir}/link`)
  await processor.addRemoveOperation(`${dir}/link`, { recursive: true })
  await processor.addRemoveOperation(`${dir}/file`)
  const again = processor.addRemoveOperation(`${dir}/file`)
  await assert.rejects(again, { code: 'ENOENT', syscall: 'unlink', path: `${dir}/file` })
  await processor.addRemoveOperation(`${dir}/file`, { force: true })
  await assert.rejects(processor.addRemoveOperation(`${dir}/tree`), { syscall: 'unlink' })
  assert.deepEqual(await fs.readdir(dir), ['tree'])
  await processor.addRemoveOperation(`${dir}/tree`, { recursive: true })
  assert.deepEqual(await fs.readdir(dir), [])
})

test('tells of files what node:fs tells', unix, async (context) => {
  const dir = await workspace(context)
  await fs.writeFile(`${dir}/file`, 'text')
  await fs.symlink('file', `${dir}/link`)
  for (const followLinks of [true, false]) {
    const ours = await processor.addStatOperation(`${dir}/link`, { followLinks })
    const nodes = await (followLinks ? fs.stat : fs.lstat)(`${dir}/link`)
    const { type, ...fields } = ours
    for (const [name, value] of Object.entries(fields)) {
      const expected = /** @type {any} */ (nodes)[name]
      assert.ok(Math.abs(/** @type {number} */ (value) - expected) < 0.001, name)
    }
    assert.deepEqual([ours.isFile(), ours.isSymbolicLink()], [followLinks, !followLinks])
    assert.equal(type, followLinks ? 'file' : 'symbolic link')
    assert.deepEqual([ours.mtime, ours.isDirectory()], [nodes.mtime, false])
  }
  const missing = processor.addStatOperation(`${dir}/missing`)
  await assert.rejects(missing, { code: 'ENOENT', syscall: 'stat' })
})

test('lists folders', async (context) => {
  const dir = await workspace(context)
  await processor.addWriteOperation(`${dir}/sub/file`, '')
  await processor.addWriteOperation(`${dir}/grüß`, '')
  assert.deepEqual((await processor.addReaddirOperation(dir)).sort(), ['grüß', 'sub'])
  const entries = await processor.addReaddirOperation(dir, { withFileTypes: true })
  const types = Object.fromEntries(entries.map(({ name, type }) => [name, type]))
  assert.deepEqual(types, { grüß: 'file', sub: 'directory' })
  const names = await processor.addReaddirOperation(`${dir}/sub`, { encoding: 'buffer' })
  assert.deepEqual(names, [Buffer.from('file')])
  const nothing = processor.addReaddirOperation(`${dir}/missing`)
  await assert.rejects(nothing, { code: 'ENOENT', syscall: 'scandir', path: `${dir}/missing` })
  const bad = processor.addReaddirOperation(dir, { encoding: /** @type {any} */ ('hex') })
  await assert.rejects(bad, { code: 'ERR_INVALID_ARG_VALUE' })
})

test('hashes as node:crypto does', async (context) => {
  const file = path.join(await workspace(context), 'file')
  for (const size of [0, 1, 65_536, 5_000_000]) {
    const content = Buffer.alloc(size, 'content')
    await fs.writeFile(file, content)
    for (const algorithm of /** @type {const} */ (['sha1', 'sha256', 'sha384', 'sha512'])) {
      const expected = createHash(algorithm).update(content).digest('hex')
      assert.equal(await processor.addHashOperation(file, algorithm), expected)
    }
  }
  assert.match(await processor.addHashOperation(file), /^[0-9a-f]{64}$/)
  const unknown = processor.addHashOperation(file, /** @type {any} */ ('md5'))
  await assert.rejects(unknown, { code: 'ERR_INVALID_ARG_VALUE' })
})

test('copies folders: modes, times and links; other files stay', unix, async (context) => {
  const dir = await workspace(context)
  await processor.addWriteOperation(`${dir}/from/sub/file`, 'text', { mode: 0o640 })
  await fs.writeFile(`${dir}/from/large`, Buffer.alloc(9e6, 'large'))
  await fs.symlink('../outside', `${dir}/from/link`)
  await fs.utimes(`${dir}/from/sub/file`, 1, 2)
  await fs.chmod(`${dir}/from/sub`, 0o500)
  await fs.utimes(`${dir}/from/sub`, 3, 4)
  await processor.addWriteOperation(`${dir}/to/other`, 'stays')
  await processor.addWriteOperation(`${dir}/to/link`, 'goes')
  await processor.addCopyDirectoryOperation(`${dir}/from`, `${dir}/to`, {
    preserveTimestamps: true,
  })
  assert.deepEqual((await fs.readdir(`${dir}/to`)).sort(), ['large', 'link', 'other', 'sub'])
  assert.equal(await fs.readlink(`${dir}/to/link`), '../outside')
  assert.ok((await fs.readFile(`${dir}/to/large`)).equals(await fs.readFile(`${dir}/from/large`)))
  const [file, sub] = await Promise.all(
    ['sub/file', 'sub'].map((name) => fs.stat(`${dir}/to/${name}`)),
  )
  assert.deepEqual([file.mode & 0o777, file.mtimeMs], [0o640, 2000])
  assert.deepEqual([sub.mode & 0o777, sub.mtimeMs], [0o500, 4000])
  for (const name of ['from', 'to']) await fs.chmod(`${dir}/${name}/sub`, 0o700)
  const copying = (/** @type {string} */ from, /** @type {string} */ to) =>
    processor.addCopyDirectoryOperation(`${dir}/${from}`, `${dir}/${to}`)
  await assert.rejects(copying('from', 'from/sub/inside/new'), { code: 'EINVAL' })
  await assert.rejects(copying('from', 'from'), { code: 'EINVAL' })
  await assert.rejects(copying('from/large', 'new'), { code: 'ENOTDIR' })
  assert.deepEqual((await fs.readdir(`${dir}/from/sub`)).sort(), ['file'])
})

test('names that are no text work as bytes', {
  skip: process.platform !== 'linux',
}, async (context) => {
  const dir = await workspace(context)
  const name = Buffer.concat([Buffer.from(`${dir}/caf`), Buffer.from([0xe9])])
  await processor.addWriteOperation(name, 'latin1')
  const [text, entries] = await Promise.all([
    processor.addReadOperation(new Uint8Array(name)),
    processor.addReaddirOperation(dir, { encoding: 'buffer' }),
    processor.addCopyOperation(name, `${dir}/copy`),
  ])
  assert.equal(text, 'latin1')
  assert.deepEqual(entries.map(String), ['caf\ufffd'])
  await processor.addCopyDirectoryOperation(dir, `${dir}-copy`)
  context.after(() => fs.rm(`${dir}-copy`, { recursive: true, force: true }))
  await processor.addMoveOperation(name, `${dir}/text`)
  assert.deepEqual((await fs.readdir(dir)).sort(), ['copy', 'text'])
  const nul = processor.addReadOperation(Buffer.from('a\0b'))
  await assert.rejects(nul, { code: 'ERR_INVALID_ARG_VALUE' })
})
