// @ts-check
'use strict'

// The loop around a test function. What it does between two readings of the clock is the call itself.

const { setImmediate: turn } = require('node:timers/promises')
const v8 = require('node:v8')
const { TimeoutError, Watchdog } = require('./watchdog.js')

/** @import * as types from '../performance-benchmark.js' */

/** How long tests may run before timers and I/O get a turn, in milliseconds. */
const YIELD_AFTER = 50

/**
 * Runs a test: set-up, warm-up, iterations, tear-down. Never rejects.
 *
 * @param {types.BenchmarkTest} test
 * @param {Required<types.BenchmarkTestOptions>} options
 * @returns {Promise<Measured>}
 */
async function runTest(test, options) {
  const { iterations, warmupIterations, timeout } = options
  /** @type {Measured} */
  const measured = {
    metrics: { duration: [], memory: [], throughput: [], errors: 0 },
    totalTime: 0,
    firstError: undefined,
    hookError: undefined,
  }
  const watchdog = new Watchdog(timeout)
  const limited = (/** @type {(() => unknown) | undefined} */ hook) => runHook(hook, watchdog)
  try {
    await limited(test.setup)
    const call = caller(test, options.concurrency)
    await warmUp(call, warmupIterations, watchdog)
    const start = performance.now()
    await iterate(call, iterations, timeout, watchdog, measured)
    measured.totalTime = performance.now() - start
  } catch (error) {
    measured.hookError = messageOf(error)
  }
  try {
    await limited(test.teardown)
  } catch (error) {
    measured.hookError ??= messageOf(error)
  }
  watchdog.stop()
  return measured
}

/**
 * @typedef {object} Measured
 * @property {types.BenchmarkMetrics} metrics
 * @property {number} totalTime milliseconds of all iterations
 * @property {string | undefined} firstError of an iteration
 * @property {string | undefined} hookError of set-up or tear-down
 */

/**
 * @param {() => unknown} call
 * @param {number} iterations
 * @param {number} timeout
 * @param {InstanceType<typeof Watchdog>} watchdog
 * @param {Measured} measured
 */
async function iterate(call, iterations, timeout, watchdog, measured) {
  const { duration, memory, throughput } = measured.metrics
  let yielded = performance.now()
  for (let iteration = 0; iteration < iterations; iteration++) {
    const heap = usedHeap()
    const start = performance.now()
    try {
      let result = call()
      if (isThenable(result)) result = await watchdog.watch(result)
      const elapsed = performance.now() - start
      // What blocks cannot be interrupted, but it was too late all the same.
      if (elapsed > timeout) throw new TimeoutError(timeout)
      const rate = throughputOf(result, elapsed)
      duration.push(elapsed)
      memory.push(usedHeap() - heap)
      if (rate !== undefined) throughput.push(rate)
    } catch (error) {
      measured.metrics.errors++
      measured.firstError ??= messageOf(error)
    }
    if (start - yielded > YIELD_AFTER) {
      await turn()
      yielded = performance.now()
    }
  }
}

/**
 * Failures do not matter here: the iterations will meet them again. A function that gives no answer in
 * time is not asked again before those.
 *
 * @param {() => unknown} call
 * @param {number} iterations
 * @param {InstanceType<typeof Watchdog>} watchdog
 */
async function warmUp(call, iterations, watchdog) {
  for (let iteration = 0; iteration < iterations; iteration++) {
    try {
      const result = call()
      if (isThenable(result)) await watchdog.watch(result)
    } catch (error) {
      if (error instanceof TimeoutError) return
    }
  }
}

/**
 * One iteration of the test: one call, or as many at once as `concurrency` says.
 *
 * @param {types.BenchmarkTest} test
 * @param {number} concurrency
 * @returns {() => unknown}
 */
function caller(test, concurrency) {
  if (concurrency === 1) return () => test.fn()
  return () => callAtOnce(() => test.fn(), concurrency)
}

/** The successful calls of a round. */
class Round {
  /** @param {number} successful */
  constructor(successful) {
    this.successful = successful
  }
}

/**
 * Rejects if no call succeeds.
 *
 * @param {() => unknown} fn
 * @param {number} concurrency
 */
async function callAtOnce(fn, concurrency) {
  const calls = Array.from({ length: concurrency }, async () => fn())
  const outcomes = await Promise.allSettled(calls)
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected')
  if (failed.length === concurrency) throw failed[0].reason
  return new Round(concurrency - failed.length)
}

/**
 * Successful calls a second of a round, or what the test itself says it achieved.
 *
 * @param {any} result
 * @param {number} elapsed milliseconds
 * @returns {number | undefined}
 */
function throughputOf(result, elapsed) {
  if (result instanceof Round) return elapsed > 0 ? result.successful / (elapsed / 1000) : undefined
  const throughput = result?.throughput
  return Number.isFinite(throughput) ? throughput : undefined
}

/**
 * @param {(() => unknown) | undefined} hook
 * @param {InstanceType<typeof Watchdog>} watchdog
 */
async function runHook(hook, watchdog) {
  const result = hook?.()
  if (isThenable(result)) await watchdog.watch(result)
}

/** Much cheaper than `process.memoryUsage()`, which also asks the system. */
function usedHeap() {
  return v8.getHeapStatistics().used_heap_size
}

/** @param {any} value @returns {value is PromiseLike<unknown>} */
function isThenable(value) {
  return typeof value?.then === 'function'
}

/** @param {any} error */
function messageOf(error) {
  if (typeof error?.message === 'string') return error.message
  try {
    return String(error)
  } catch {
    return 'An error without a text'
  }
}

module.exports = { runTest, runHook, messageOf }
