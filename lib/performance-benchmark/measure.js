// @ts-check
'use strict'

// One test from its set-up to its tear-down.

const native = require('../internal/native.js')
const { batchFor, fresh, isOptimizedAway, median, overhead } = require('./calibrate.js')
const { Round, Run } = require('./iterate.js')
const { Watchdog } = require('./watchdog.js')

/** @import * as types from '../performance-benchmark.js' */
/** @import { Calls } from './iterate.js' */
/** @import { Settings } from './options.js' */

/** What is compared to see whether a function has become as fast as it will, in milliseconds. */
const WINDOW = 20

/** The most windows of a warm-up. */
const WINDOWS = 100

/**
 * @typedef {object} Measured
 * @property {types.BenchmarkMetrics} metrics
 * @property {number} totalTime milliseconds of all iterations
 * @property {number} iterations
 * @property {number} warmupIterations
 * @property {string | undefined} firstError of an iteration
 * @property {string | undefined} hookError of set-up or tear-down
 * @property {Partial<types.BenchmarkTestResult>} facts what only some tests have to say
 * @property {Partial<types.BenchmarkStatistics> | undefined} statistics of all iterations, if `metrics` has not all of them
 */

/**
 * Set-up, warm-up, iterations, tear-down. Never rejects.
 *
 * @param {types.BenchmarkTest} test
 * @param {Settings} options
 * @param {object} course
 * @param {AbortSignal} [course.signal]
 * @param {(done: number) => void} [course.onTurn] is told now and then how many iterations were made
 * @returns {Promise<Measured>}
 */
async function measureTest(test, options, { signal, onTurn }) {
  const samples = new native.BenchmarkSamples()
  const run = new Run(caller(test, options.concurrency), {
    timeout: options.timeout,
    overhead: await overhead(),
    loops: fresh(),
    onTurn: () => onTurn?.(samples.count),
  })
  const watchdog = new Watchdog(options.timeout)
  const abort = () => {
    run.stop(signal?.reason)
    watchdog.interrupt(signal?.reason)
  }
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  const measured = new Measurement(run, samples, options)
  let hookError
  try {
    await runHook(test.setup, watchdog)
    await measured.warmUp()
    await measured.iterate()
  } catch (error) {
    hookError = messageOf(error)
  }
  try {
    await runHook(test.teardown, watchdog)
  } catch (error) {
    hookError ??= messageOf(error)
  }
  watchdog.stop()
  signal?.removeEventListener('abort', abort)
  return { ...measured.result(), hookError }
}

/** What is found out about one function. */
class Measurement {
  #run
  #samples
  #options
  /** @type {Partial<types.BenchmarkTestResult>} */
  #facts = {}
  #warmups
  #totalTime = 0

  /**
   * @param {Calls} run
   * @param {InstanceType<typeof native.BenchmarkSamples>} samples
   * @param {Settings} options
   */
  constructor(run, samples, options) {
    this.#run = run
    this.#samples = samples
    this.#options = options
    this.#warmups = options.warmupIterations
  }

  /**
   * Failures do not matter here: the iterations will meet them again. A function that gives no answer in time is not
   * asked again before those.
   */
  async warmUp() {
    const { warmupIterations, warmup } = this.#options
    await this.#run.take({ count: warmupIterations, untilLate: true }, () => {})
    if (warmup === 'steady') this.#facts.steadyState = await this.#untilSteady()
  }

  async #untilSteady() {
    const batch = await batchFor(this.#run)
    /** @type {number[]} */
    const medians = []
    while (medians.length < WINDOWS) {
      const each = await median(this.#run, { time: WINDOW, batch })
      if (each === undefined) return false
      medians.push(each)
      if (native.benchmarkIsSteady(Float64Array.from(medians))) return true
    }
    return false
  }

  async iterate() {
    const { iterations, time } = this.#options
    const batch = time === undefined ? 1 : await batchFor(this.#run)
    const extent = time === undefined ? { count: iterations } : { time, batch }
    this.#totalTime = await this.#run.take(extent, (durations, heaps, rates) =>
      this.#samples.add(durations, heaps, rates),
    )
    if (time === undefined) return
    const fastest = native.benchmarkPercentile(this.#samples.durations(), 0)
    Object.assign(this.#facts, {
      callsPerIteration: batch,
      optimizedAway: this.#samples.count > 0 && isOptimizedAway(fastest),
    })
  }

  result() {
    const samples = this.#samples
    const { errors, firstError } = this.#run
    const [duration, memory, throughput] = [
      samples.durations(),
      samples.heapChanges(),
      samples.rates(),
    ].map(listOf)
    if (duration.length < samples.count) this.#facts.sampled = duration.length
    return {
      metrics: { duration, memory, throughput, errors },
      totalTime: this.#totalTime,
      iterations:
        this.#options.time === undefined ? this.#options.iterations : samples.count + errors,
      warmupIterations: this.#warmups,
      firstError: errors > 0 ? messageOf(firstError) : undefined,
      facts: this.#facts,
      statistics: samples.exactStatistics(errors) ?? undefined,
    }
  }
}

/** Several times as fast as `Array.from`. @param {Float64Array} values */
function listOf(values) {
  const list = new Array(values.length)
  for (let index = 0; index < values.length; index++) list[index] = values[index]
  return list
}

/**
 * One iteration of the test: one call, or as many at once as `concurrency` says.
 *
 * @param {types.BenchmarkTest} test
 * @param {number} concurrency
 * @returns {types.BenchmarkTest['fn']}
 */
function caller(test, concurrency) {
  const fn = test.fn.bind(test)
  return concurrency === 1 ? fn : (context) => callAtOnce(fn, context, concurrency)
}

/**
 * Rejects if no call succeeds.
 *
 * @param {types.BenchmarkTest['fn']} fn
 * @param {types.BenchmarkContext} context
 * @param {number} concurrency
 */
async function callAtOnce(fn, context, concurrency) {
  const calls = Array.from({ length: concurrency }, async () => fn(context))
  const outcomes = await Promise.allSettled(calls)
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected')
  if (failed.length === concurrency) throw failed[0].reason
  return new Round(concurrency - failed.length)
}

/**
 * @param {(() => unknown) | undefined} hook
 * @param {InstanceType<typeof Watchdog>} watchdog
 */
async function runHook(hook, watchdog) {
  /** @type {any} */
  const result = hook?.()
  if (typeof result?.then === 'function') await watchdog.watch(result)
}

/** @param {any} error */
function messageOf(error) {
  try {
    return typeof error?.message === 'string' ? error.message : String(error)
  } catch {
    return 'An error without a text'
  }
}

module.exports = { measureTest, runHook, messageOf }
