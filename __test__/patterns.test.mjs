// @ts-check
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, mock, test } from 'node:test'
import { BatchProcessor, lazy, memoize, ObjectPool } from '../lib/index.js'

const invalid = { code: 'ERR_INVALID_ARG_TYPE' }

describe('BatchProcessor', () => {
  test('processes full batches, and the rest when flushed', async () => {
    /** @type {number[][]} */
    const batches = []
    const processor = new BatchProcessor(2, (items) => batches.push(items))
    for (const item of [1, 2, 3]) await processor.add(item)
    assert.deepEqual(batches, [[1, 2]])
    assert.equal(processor.size, 1)
    await processor.flush()
    await processor.flush()
    assert.deepEqual(batches, [[1, 2], [3]])
  })

  test('tells the add that filled a batch of its failure', async () => {
    const failure = new Error('refused')
    const processor = new BatchProcessor(2, async () => {
      throw failure
    })
    await processor.add(1)
    await assert.rejects(processor.add(2), failure)
    await processor.add(3)
    await assert.rejects(processor.flush(), failure)
    assert.equal(processor.size, 0)
  })

  test('tells whoever awaits a batch that one of its items failed', async () => {
    const failure = new Error('odd')
    const processor = new BatchProcessor(2, (/** @type {number[]} */ items) =>
      items.map((item) => (item % 2 ? failure : item)),
    )
    await processor.add(1)
    await assert.rejects(processor.add(2), failure)
    await processor.add(3)
    await assert.rejects(processor.flush(), failure)
    await processor.add(4)
    await processor.flush()
  })

  test('takes another size for the batches to come, and no wrong one', async () => {
    /** @type {number[][]} */
    const batches = []
    const processor = new BatchProcessor(2, (items) => batches.push(items))
    await processor.add(1)
    for (const [size, code] of /** @type {[any, string][]} */ ([
      [0, 'ERR_OUT_OF_RANGE'],
      [Number.NaN, 'ERR_OUT_OF_RANGE'],
      ['3', 'ERR_INVALID_ARG_TYPE'],
    ])) {
      assert.throws(() => (processor.batchSize = size), { code })
    }
    assert.equal(processor.batchSize, 2)
    processor.batchSize = 1
    await processor.add(2)
    await processor.flush()
    assert.deepEqual(batches, [[1], [2]])
  })

  test('with maxWait gives each add its own result or error', async () => {
    const failure = new RangeError('odd')
    const processor = new BatchProcessor(
      10,
      async (/** @type {number[]} */ items) =>
        items.map((item) => (item % 2 ? failure : item * 10)),
      { maxWait: 1 },
    )
    const outcomes = await Promise.allSettled([2, 3, 4].map((item) => processor.add(item)))
    assert.deepEqual(outcomes, [
      { status: 'fulfilled', value: 20 },
      { status: 'rejected', reason: failure },
      { status: 'fulfilled', value: 40 },
    ])
  })

  test('with maxWait a failing batch fails its own adds only', async () => {
    const processor = new BatchProcessor(
      2,
      async (/** @type {number[]} */ items) => {
        if (items.includes(1)) throw new Error('first')
      },
      { maxWait: 1 },
    )
    const outcomes = await Promise.allSettled([1, 2, 3].map((item) => processor.add(item)))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    )
  })

  test('runs at most so many batches at once, in order', async () => {
    /** @type {(() => void)[]} */
    const finish = []
    /** @type {number[]} */
    const started = []
    const processor = new BatchProcessor(
      1,
      (/** @type {number[]} */ items) => {
        started.push(...items)
        return new Promise((resolve) => finish.push(() => resolve(undefined)))
      },
      { concurrency: 2 },
    )
    const adds = [1, 2, 3, 4].map((item) => processor.add(item))
    assert.deepEqual(started, [1, 2])
    finish[0]()
    await adds[0]
    await new Promise(setImmediate)
    assert.deepEqual(started, [1, 2, 3])
    finish[1]()
    finish[2]()
    await adds[2]
    await new Promise(setImmediate)
    assert.deepEqual(started, [1, 2, 3, 4])
    finish[3]()
    await processor.flush()
  })

  test('checks its arguments', () => {
    const create = /** @type {any} */ (BatchProcessor)
    assert.throws(() => create(1, () => {}), TypeError)
    assert.throws(() => new create('1', () => {}), invalid)
    assert.throws(() => new create(0, () => {}), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => new create(1), invalid)
  })
})

describe('ObjectPool', () => {
  test('resets and hands out again, up to its bound', () => {
    const create = mock.fn(() => ({ used: true }))
    const pool = new ObjectPool(create, (object) => Object.assign(object, { used: false }), {
      maxSize: 1,
    })
    const [first, second] = [pool.acquire(), pool.acquire()]
    assert.equal(pool.acquired, 2)
    pool.release(first)
    pool.release(second)
    assert.deepEqual([pool.size, pool.acquired, first.used], [1, 0, false])
    assert.equal(pool.acquire(), first)
    assert.equal(create.mock.callCount(), 2)
  })

  test('lets an object go that cannot be reset', () => {
    const failure = new Error('stuck')
    const pool = new ObjectPool(
      () => ({}),
      () => {
        throw failure
      },
    )
    const object = pool.acquire()
    assert.throws(() => pool.release(object), failure)
    assert.deepEqual([pool.size, pool.acquired], [0, 0])
  })

  test('refuses an object that is idle already', () => {
    const pool = new ObjectPool(() => ({}))
    const object = pool.acquire()
    pool.release(object)
    assert.throws(() => pool.release(object), { code: 'ERR_AIWF_ALREADY_RELEASED' })
  })

  test('refuses an object twice that the full pool let go', () => {
    const pool = new ObjectPool(
      () => ({}),
      () => {},
      { maxSize: 1 },
    )
    const objects = [1, 2, 3].map(() => pool.acquire())
    pool.release(objects[0])
    pool.release(objects[1])
    assert.throws(() => pool.release(objects[1]), { code: 'ERR_AIWF_ALREADY_RELEASED' })
    assert.equal(pool.acquired, 1)
    pool.release(pool.acquire())
  })

  test('warns once of objects that nobody releases', async () => {
    const pool = new ObjectPool(
      () => ({}),
      () => {},
      { warnAbove: 2 },
    )
    const warned = once(process, 'warning')
    for (let count = 0; count < 5; count++) pool.acquire()
    const [warning] = await warned
    assert.equal(warning.name, 'ObjectPoolLeakWarning')
    assert.match(warning.message, /^3 objects/)
  })
})

describe('memoize', () => {
  test('tells calls apart by the types and values of primitives', () => {
    const fn = mock.fn((...params) => params.length)
    const memoized = memoize(fn)
    for (let round = 0; round < 2; round++) {
      memoized()
      memoized(1)
      memoized('1')
      memoized(1, 2)
      memoized('1,2')
      memoized(null)
      memoized(undefined)
    }
    assert.equal(fn.mock.callCount(), 7)
    assert.equal(memoized.size, 7)
    const inverse = memoize((/** @type {number} */ n) => 1 / n)
    assert.deepEqual([inverse(0), inverse(-0)], [Infinity, -Infinity])
    assert.ok(memoized.delete(1))
    memoized.clear()
    assert.equal(memoized.size, 0)
  })

  test('tells objects by identity, or by the key function', () => {
    const fn = mock.fn((/** @type {{ id: number }} */ { id }) => id)
    const byIdentity = memoize(fn)
    const object = { id: 1 }
    byIdentity(object)
    byIdentity(object)
    byIdentity({ id: 1 })
    assert.equal(fn.mock.callCount(), 2)
    const byId = memoize(fn, { key: ({ id }) => id })
    byId(object)
    byId({ id: 1 })
    assert.equal(fn.mock.callCount(), 3)
    const pair = memoize((/** @type {object} */ _object, /** @type {number} */ _n) => 0)
    assert.throws(() => pair({}, 1), { code: 'ERR_INVALID_ARG_VALUE' })
  })

  test('keeps the most recently used', () => {
    const fn = mock.fn((/** @type {number} */ n) => n)
    const memoized = memoize(fn, { maxEntries: 2 })
    for (const n of [1, 2, 1, 3, 1]) memoized(n)
    assert.equal(fn.mock.callCount(), 3)
    memoized(2)
    assert.equal(fn.mock.callCount(), 4)
  })

  test('keeps nothing longer than ttl, and nothing that was thrown', () => {
    const fn = mock.fn(() => 1)
    const memoized = memoize(fn, { ttl: 0 })
    memoized()
    memoized()
    assert.equal(fn.mock.callCount(), 2)
    const failing = memoize(() => {
      throw new Error('no')
    })
    assert.throws(failing)
    assert.equal(failing.size, 0)
  })

  test('shares a pending promise and forgets a rejected one', async () => {
    let fail = true
    const fn = mock.fn(async (/** @type {number} */ n) => {
      if (fail) throw new Error('down')
      return n
    })
    const memoized = memoize(fn)
    const failed = [memoized(1), memoized(1)]
    await Promise.all(failed.map((promise) => assert.rejects(promise, /down/)))
    fail = false
    assert.equal(await memoized(1), 1)
    assert.equal(await memoized(1), 1)
    assert.equal(fn.mock.callCount(), 2)
  })

  test('counts ttl from when there is a result', async () => {
    /** @type {(() => void)[]} */
    const finish = []
    const fn = mock.fn(() => new Promise((resolve) => finish.push(() => resolve(undefined))))
    const forgetful = memoize(fn, { ttl: 0 })
    const shared = [forgetful(), forgetful()]
    assert.equal(fn.mock.callCount(), 1)
    finish[0]()
    await Promise.all(shared)
    forgetful()
    assert.equal(fn.mock.callCount(), 2)
    forgetful.clear()

    const now = mock.method(performance, 'now', () => 0)
    const slow = memoize(fn, { ttl: 100 })
    const pending = slow()
    now.mock.mockImplementation(() => 1000)
    finish[2]()
    await pending
    now.mock.mockImplementation(() => 1099)
    slow()
    assert.equal(fn.mock.callCount(), 3)
    now.mock.mockImplementation(() => 1100)
    slow()
    assert.equal(fn.mock.callCount(), 4)
    mock.restoreAll()
  })
})

test('lazy loads once for all, and again after a failure', async () => {
  let fail = true
  const load = mock.fn(async () => {
    if (fail) throw new Error('offline')
    return { name: 'module' }
  })
  const get = lazy(load)
  assert.equal(load.mock.callCount(), 0)
  await Promise.all([assert.rejects(get(), /offline/), assert.rejects(get(), /offline/)])
  fail = false
  const [first, second] = await Promise.all([get(), get()])
  assert.equal(first, second)
  assert.equal(load.mock.callCount(), 2)
  await assert.rejects(
    lazy(() => {
      throw new Error('at once')
    })(),
    /at once/,
  )
})
