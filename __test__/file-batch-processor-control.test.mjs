// @ts-check
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import { test } from 'node:test'
import { FileBatchProcessor } from '../lib/file-batch-processor.js'
import { workspace } from './support/workspace.mjs'

test('a signal drops what has not started, with its reason, and nothing else', async (context) => {
  const dir = await workspace(context)
  const processor = new FileBatchProcessor()
  const signal = AbortSignal.abort('gone before')
  const never = processor.addWriteOperation(`${dir}/never`, '', { signal })
  await assert.rejects(never, (reason) => reason === 'gone before')
  processor.pause()
  const controller = new AbortController()
  const reason = new Error('changed my mind')
  const outcomes = Promise.allSettled([
    processor.addWriteOperation(`${dir}/a`, 'first'),
    processor.addWriteOperation(`${dir}/a`, 'second', { signal: controller.signal }),
    processor.addReadOperation(`${dir}/a`),
    processor.addReadOperation(`${dir}/a`, { signal: controller.signal }),
  ])
  controller.abort(reason)
  await new Promise(setImmediate)
  assert.equal(processor.getStats().queueLength, 2)
  processor.resume()
  const [, second, text, read] = await outcomes
  assert.deepEqual([second.status, read.status], ['rejected', 'rejected'])
  assert.ok(second.status === 'rejected' && second.reason === reason)
  assert.deepEqual(text, { status: 'fulfilled', value: 'first' })
  assert.deepEqual(await fs.readdir(dir), ['a'])
  await assert.rejects(
    processor.addReadOperation(`${dir}/a`, { signal: /** @type {any} */ ({}) }),
    { code: 'ERR_INVALID_ARG_TYPE' },
  )
})

test('a signal stops a large copy half-way and leaves no litter', async (context) => {
  const dir = await workspace(context)
  await fs.writeFile(`${dir}/large`, Buffer.alloc(2 ** 28, 'no holes'))
  await fs.writeFile(`${dir}/old`, 'old')
  const processor = new FileBatchProcessor()
  const controller = new AbortController()
  const copying = processor.addCopyOperation(`${dir}/large`, `${dir}/old`, controller)
  const hashing = processor.addHashOperation(`${dir}/large`, 'sha512', controller)
  const ended = Promise.allSettled([copying, hashing])
  while (processor.getStats().bytes === 0) await new Promise(setImmediate)
  controller.abort()
  for (const outcome of await ended) {
    assert.equal(outcome.status === 'rejected' && outcome.reason.name, 'AbortError')
  }
  assert.ok(processor.getStats().bytes < 2 ** 29)
  assert.equal(await fs.readFile(`${dir}/old`, 'utf8'), 'old')
  assert.deepEqual((await fs.readdir(dir)).sort(), ['large', 'old'])
})

test('a signal stops large writes half-way and leaves no litter', async (context) => {
  const dir = await workspace(context)
  const content = Buffer.alloc(2 ** 28, 'large')
  /** @type {[old: string | undefined, add: (processor: FileBatchProcessor, controller: AbortController) => Promise<void>][]} */
  const writes = [
    ['old', (all, signal) => all.addWriteOperation(`${dir}/file`, content, signal)],
    ['old', (all, signal) => all.addAppendOperation(`${dir}/file`, content, signal)],
    [undefined, (all, signal) => all.addWriteOperation(`${dir}/file`, content, signal)],
  ]
  for (const [old, add] of writes) {
    await fs.rm(`${dir}/file`, { force: true })
    if (old) await fs.writeFile(`${dir}/file`, old)
    const processor = new FileBatchProcessor()
    const controller = new AbortController()
    const ended = assert.rejects(add(processor, controller), { name: 'AbortError' })
    while (processor.getStats().bytes === 0) await new Promise(setImmediate)
    controller.abort()
    await ended
    assert.ok(processor.getStats().bytes < content.length)
    if (old) assert.equal(await fs.readFile(`${dir}/file`, 'utf8'), old)
    assert.deepEqual(await fs.readdir(dir), old ? ['file'] : [])
  }
})

test('one signal for many operations warns of nothing and stops them all', async (context) => {
  const dir = await workspace(context)
  const processor = new FileBatchProcessor()
  const warned = context.mock.method(process, 'emitWarning')
  const controller = new AbortController()
  processor.pause()
  const reads = Array.from({ length: 10_000 }, (_, index) =>
    processor.addReadOperation(`${dir}/${index}`, { signal: controller.signal }),
  )
  await new Promise(setImmediate)
  controller.abort()
  const outcomes = await Promise.allSettled(reads)
  assert.ok(outcomes.every(({ status }) => status === 'rejected'))
  assert.equal(processor.getStats().totalOperations, 0)
  assert.equal(warned.mock.callCount(), 0)
})

test('the urgent come first', async (context) => {
  const dir = await workspace(context)
  const processor = new FileBatchProcessor({ maxConcurrency: 1, batchSize: 2 })
  processor.pause()
  /** @type {number[]} */
  const order = []
  const priorities = [0, -1, 0, 7, 2 ** 31 - 1, -(2 ** 31), 7]
  const writes = priorities.map(async (priority, index) => {
    await processor.addWriteOperation(`${dir}/${index}`, '', { priority })
    order.push(index)
  })
  await new Promise(setImmediate)
  assert.deepEqual([processor.paused, order], [true, []])
  processor.resume()
  await Promise.all(writes)
  assert.deepEqual(order, [4, 3, 6, 0, 2, 1, 5])
  const bad = processor.addReadOperation(dir, { priority: 0.5 })
  await assert.rejects(bad, { code: 'ERR_OUT_OF_RANGE' })
})

test('progress counts up to the whole', async (context) => {
  const dir = await workspace(context)
  const processor = new FileBatchProcessor()
  /** @type {import('../lib/file-batch-processor.js').FileBatchProgress[]} */
  const events = []
  processor.on('progress', (event) => events.push(event))
  for (let index = 0; index < 200; index++) {
    processor.addWriteOperation(`${dir}/${index}`, 'four').catch(() => {})
  }
  processor.addReadOperation(`${dir}/missing`).catch(() => {})
  await processor.waitForCompletion()
  assert.deepEqual(events.at(-1), { completed: 201, failed: 1, total: 201, bytes: 800 })
  const counts = events.map(({ completed }) => completed)
  assert.deepEqual(
    counts,
    [...new Set(counts)].sort((a, b) => a - b),
  )
})

test('concurrency is found out when asked to', async (context) => {
  const dir = await workspace(context)
  const processor = new FileBatchProcessor({ maxConcurrency: 'auto' })
  assert.deepEqual(processor.getStats().concurrency, { limit: 2, raised: 0, lowered: 0 })
  const names = Array.from({ length: 500 }, (_, index) => `${dir}/${index}`)
  await Promise.all(names.map((name) => processor.addWriteOperation(name, 'text')))
  const { concurrency } = processor.getStats()
  assert.ok(concurrency && concurrency.raised > 0)
  assert.ok(concurrency.limit >= 1 && concurrency.limit <= 8)
  assert.equal(processor.maxConcurrency, 'auto')
  processor.maxConcurrency = 3
  assert.equal(processor.getStats().concurrency, undefined)
  assert.throws(() => (processor.maxConcurrency = /** @type {any} */ ('many')), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
})
