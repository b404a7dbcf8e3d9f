// @ts-check
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateLimiter } from '../lib/index.js'

test('passes calls in order, at most maxRequests in any window', async () => {
  const limiter = new RateLimiter(2, 60)
  /** @type {{ caller: number, at: number }[]} */
  const passed = []
  await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (caller) => {
      await limiter.waitForNext()
      passed.push({ caller, at: performance.now() })
    }),
  )
  assert.deepEqual(
    passed.map(({ caller }) => caller),
    [0, 1, 2, 3, 4, 5],
  )
  const { totalRequests, throttledRequests, maxRequests, timeWindow } = limiter.getStats()
  assert.deepEqual(
    { totalRequests, throttledRequests, maxRequests, timeWindow },
    { totalRequests: 6, throttledRequests: 4, maxRequests: 2, timeWindow: 60 },
  )
})

test('a blocked event loop makes the window slide, and lets no more pass', async () => {
  const [most, window] = [2, 50]
  const limiter = new RateLimiter(most, window)
  /** @type {number[]} */
  const passed = []
  const all = Promise.all(
    Array.from({ length: 7 }, async () => {
      await limiter.waitForNext()
      passed.push(performance.now())
    }),
  )
  await new Promise(setImmediate)
  const blocked = performance.now() + 5 * window
  while (performance.now() < blocked);
  await all
  for (let index = most; index < passed.length; index++) {
    // Those of one turn pass at one time, and are heard of one after the other.
    assert.ok(passed[index] - passed[index - most] > window - 5, passed.join(' '))
  }
})

test('a raised limit frees those who wait', async () => {
  const limiter = new RateLimiter(1, 1e9)
  await limiter.waitForNext()
  const waiting = limiter.waitForNext()
  // The timer has long been set when a later turn of the event loop raises the limit.
  for (let turn = 0; turn < 1000; turn++) await new Promise((resolve) => setImmediate(resolve))
  limiter.maxRequests = 2
  await waiting
  assert.equal(limiter.getStats().currentRequests, 2)
})

test('an aborted caller rejects with the reason and gives up its turn', async () => {
  const limiter = new RateLimiter(1, 1e9)
  await limiter.waitForNext()
  const controller = new AbortController()
  const withdrawn = limiter.waitForNext({ signal: controller.signal })
  controller.abort('changed my mind')
  await assert.rejects(withdrawn, (reason) => reason === 'changed my mind')
  await assert.rejects(limiter.waitForNext({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  assert.equal(limiter.getStats().totalRequests, 1)
})

test('bad arguments are named', async () => {
  assert.throws(() => new RateLimiter(/** @type {any} */ ('60'), 1000), {
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message: 'The "maxRequests" argument must be of type number. Received type string (\'60\')',
  })
  assert.throws(() => new RateLimiter(1, -1), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => /** @type {any} */ (RateLimiter)(1, 1), TypeError)
})
