// @ts-check
// Snapshots of this very process's heap, written by V8 and summed up.
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import v8 from 'node:v8'
import { Worker } from 'node:worker_threads'
import native from '../lib/internal/native.js'
import settle from '../lib/internal/settle.js'
import { MemoryOptimizer, MemoryProfiler } from '../lib/memory-profiler.js'
import { workspace } from './support/workspace.mjs'

const quiet = () => new MemoryProfiler({ silent: true, alertCallback() {} })
const library = path.join(import.meta.dirname, '../lib/memory-profiler.js')

class LeakedSession {
  /** @param {number} id */
  constructor(id) {
    this.id = id
    this.notes = new Array(100).fill(id)
  }
}

/** @type {any} */
const globals = globalThis

test('a heap snapshot says who grew, by how much, and what holds it', async (t) => {
  const folder = await workspace(t)
  const profiler = quiet()
  globals.sessionsOfTheTest = new Map()
  t.after(() => delete globals.sessionsOfTheTest)
  const add = (/** @type {number} */ count) => {
    for (let id = 0; id < count; id++) globals.sessionsOfTheTest.set({}, new LeakedSession(id))
  }
  add(10)
  const file = path.join(folder, 'before.heapsnapshot')
  const first = await profiler.createSnapshot('before', { heap: true, path: file })
  assert.equal(profiler.snapshots.get('before'), first)
  assert.equal(first.heap.path, file)
  assert.deepEqual(Object.keys(first), ['label', 'timestamp', 'memory', 'objectCounts', 'heap'])
  assert.equal((await fs.stat(file)).mode & 0o777, 0o600)
  const { constructors, objects, references, size } = first.heap
  const written = JSON.parse(await fs.readFile(file, 'utf8'))
  assert.deepEqual(
    [objects, references],
    [written.snapshot.node_count, written.snapshot.edge_count],
  )
  const width = written.snapshot.meta.node_fields.length
  const sizeAt = written.snapshot.meta.node_fields.indexOf('self_size')
  let sum = 0
  for (let at = sizeAt; at < written.nodes.length; at += width) sum += written.nodes[at]
  assert.equal(size, sum)
  assert.equal(
    constructors.reduce((total, { shallowSize }) => total + shallowSize, 0),
    size,
  )
  const sessions = constructors.find(({ name }) => name === 'LeakedSession')
  assert.equal(sessions?.count, 10)
  assert.ok(/** @type {any} */ (sessions).retainedSize > 10 * 100 * 8)
  const order = constructors.map(({ retainedSize }) => retainedSize)
  assert.deepEqual(
    order,
    order.toSorted((a, b) => b - a),
  )

  add(500)
  await profiler.createSnapshot('after', { heap: true, path: file })
  const { heapGrowth = [], memoryDiff } = profiler.compareSnapshots('before', 'after')
  assert.ok(memoryDiff.heapUsed !== 0)
  const grown = heapGrowth.find(({ name }) => name === 'LeakedSession')
  assert.ok(grown, 'the constructor that leaks is told')
  assert.equal(grown.count, 500)
  assert.ok(grown.retainedSize > 500 * 100 * 8 && grown.retainedSize > grown.shallowSize)
  const way = grown.retainingPath.map(({ by, name }) => `${by} ${name}`)
  assert.ok(way.includes('.sessionsOfTheTest Map'), way.join(' → '))
  assert.match(way[way.length - 1], / LeakedSession$/)
  assert.ok(grown.retainingPath.every(({ id }) => Number.isInteger(id)))

  profiler.createSnapshot('plain')
  assert.ok(!('heapGrowth' in profiler.compareSnapshots('before', 'plain')))
})

test('without a path the file is a temporary one that the cleaner knows', async (t) => {
  const folder = await workspace(t)
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  t.after(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  const { heap } = await quiet().createSnapshot('a', { heap: true })
  assert.equal(path.dirname(heap.path), os.tmpdir())
  const old = new Date(Date.now() - 3_700_000)
  await fs.utimes(heap.path, old, old)
  assert.deepEqual(await MemoryOptimizer.cleanupTemporaryFiles(), [heap.path])
})

test('a snapshot that fails leaves no temporary file', async (t) => {
  const folder = await workspace(t)
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  t.after(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  const fail = () => {
    throw full
  }
  for (const [write, code] of /** @type {[() => string, string][]} */ ([
    [fail, 'ENOSPC'],
    [() => 'written nothing', 'ERR_AIWF_INVALID_HEAP_SNAPSHOT'],
  ])) {
    const { mock } = t.mock.method(v8, 'writeHeapSnapshot', write)
    await assert.rejects(quiet().createSnapshot('a', { heap: true }), { code })
    assert.deepEqual(await fs.readdir(folder), [])
    // A file that was asked for is the caller's.
    const path = `${folder}/mine`
    await assert.rejects(quiet().createSnapshot('a', { heap: true, path }), { code })
    assert.deepEqual(await fs.readdir(folder), ['mine'])
    await fs.rm(path)
    mock.restore()
  }
})

test('a file that is cut off or none is a typed error', async (t) => {
  const folder = await workspace(t)
  const profiler = quiet()
  const file = path.join(folder, 'heap')
  await profiler.createSnapshot('whole', { heap: true, path: file })
  const { size } = await fs.stat(file)
  await fs.truncate(file, Math.floor(size / 2))
  const summarise = (/** @type {string} */ file) =>
    settle.promised((ticket) => native.summariseHeapSnapshot(settle.settler, ticket, file, 0))
  await assert.rejects(summarise(file), {
    code: 'ERR_AIWF_INVALID_HEAP_SNAPSHOT',
    path: file,
    offset: Math.floor(size / 2),
    message: /it ends in the middle/,
  })
  await fs.writeFile(file, '{"snapshot":{"meta":{}}}')
  await assert.rejects(summarise(file), { code: 'ERR_AIWF_INVALID_HEAP_SNAPSHOT' })
  await assert.rejects(summarise(path.join(folder, 'none')), { code: 'ENOENT', syscall: 'open' })
})

test('what can not be written is refused as fs does, what may kill the process with its figures', async (t) => {
  const profiler = quiet()
  const nowhere = path.join(await workspace(t), 'none', 'heap')
  await assert.rejects(profiler.createSnapshot('a', { heap: true, path: nowhere }), {
    code: 'ENOENT',
    path: nowhere,
  })
  assert.equal(profiler.snapshots.size, 0)
  const wrong = { code: 'ERR_INVALID_ARG_TYPE' }
  await assert.rejects(
    profiler.createSnapshot('a', { heap: true, path: /** @type {any} */ (1) }),
    wrong,
  )
  assert.throws(() => profiler.createSnapshot('a', /** @type {any} */ ('heap')), wrong)

  // A machine with hardly any memory.
  const available = process.availableMemory
  const free = os.freemem
  process.availableMemory = os.freemem = () => 1e6
  t.after(() => {
    process.availableMemory = available
    os.freemem = free
  })
  const refused = profiler.createSnapshot('a', { heap: true, path: nowhere })
  await assert.rejects(refused, (/** @type {any} */ error) => {
    assert.equal(error.code, 'ERR_AIWF_INSUFFICIENT_MEMORY')
    assert.ok(error.needed > error.available)
    return true
  })
  const forced = profiler.createSnapshot('a', { heap: true, path: nowhere, force: true })
  await assert.rejects(forced, { code: 'ENOENT' })
})

test("a worker's heap is its own", async (t) => {
  const folder = await workspace(t)
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { MemoryProfiler } = require(workerData.library)
    class OfTheWorker {}
    globalThis.kept = [new OfTheWorker(), new OfTheWorker()]
    new MemoryProfiler().createSnapshot('w', { heap: true, path: workerData.file }).then(({ heap }) => {
      parentPort.postMessage(heap.constructors.find(({ name }) => name === 'OfTheWorker'))
    })`
  const file = path.join(folder, 'worker.heapsnapshot')
  const worker = new Worker(source, { eval: true, workerData: { library, file } })
  const found = await new Promise((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  )
  assert.equal(found.count, 2)
})
