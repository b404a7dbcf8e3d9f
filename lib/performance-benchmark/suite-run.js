// @ts-check
'use strict'

// One run of a suite: its hooks, its tests one after the other, news on the way, an end before the end.

const { measureTest, messageOf, runHook } = require('./measure.js')
const { testOptions } = require('./options.js')
const { judged } = require('./threshold.js')
const { Watchdog } = require('./watchdog.js')

/** @import * as types from '../performance-benchmark.js' */

class SuiteRun {
  #benchmark
  #suite
  /** As they were checked: a test may change its suite. */
  #tests
  #onProgress
  #signal
  /** Fires for the caller's signal, and for an error of the caller's listener. */
  #stop = new AbortController()

  /**
   * @param {types.PerformanceBenchmark} benchmark whose options and `calculateStatistics` apply
   * @param {types.BenchmarkSuite} suite
   * @param {types.BenchmarkRunOptions} options
   */
  constructor(benchmark, suite, { signal, onProgress }) {
    this.#benchmark = benchmark
    this.#suite = suite
    this.#tests = [...suite.tests]
    this.#signal = signal
    this.#onProgress = onProgress
  }

  /** Rejects with the reason if the run is aborted; the suite is torn down all the same. */
  async run() {
    const abort = () => this.#stop.abort(this.#signal?.reason)
    this.#signal?.addEventListener('abort', abort, { once: true })
    const tests = []
    try {
      const setupError = await this.#hook('setup')
      for (const [index, test] of this.#tests.entries()) {
        if (this.#stop.signal.aborted) break
        tests.push(setupError ? this.#unrun(test, setupError) : await this.#runTest(test, index))
      }
      await this.#hook('teardown')
    } finally {
      this.#signal?.removeEventListener('abort', abort)
    }
    this.#stop.signal.throwIfAborted()
    return tests
  }

  /** The message of its error, if it fails. @param {'setup' | 'teardown'} name */
  async #hook(name) {
    const watchdog = new Watchdog(this.#benchmark.options.timeout)
    const { signal } = this.#stop
    const abort = () => watchdog.interrupt(signal.reason)
    signal.addEventListener('abort', abort)
    try {
      await runHook(() => this.#suite[name]?.(), watchdog)
      return undefined
    } catch (error) {
      const message = `The ${name} of ${this.#suite.name} failed: ${messageOf(error)}`
      this.#warn(message)
      return message
    } finally {
      signal.removeEventListener('abort', abort)
      watchdog.stop()
    }
  }

  /**
   * @param {types.BenchmarkTest} test
   * @param {number} index
   * @returns {Promise<types.BenchmarkTestResult>}
   */
  async #runTest(test, index) {
    if (!this.#benchmark.options.silent) console.log(`Running test: ${test.name}`)
    const options = this.#optionsOf(test)
    const onTurn = (/** @type {number} */ iterations) => this.#tell(test, index, iterations)
    onTurn(0)
    const signal = this.#stop.signal
    const measured = await measureTest(test, options, { signal, onTurn })
    const { metrics, iterations, warmupIterations, firstError, hookError } = measured
    onTurn(metrics.errors + (measured.facts.sampled ?? metrics.duration.length))
    const fruitless = metrics.errors > 0 && metrics.duration.length === 0
    const error = hookError ?? (fruitless ? firstError : undefined)
    if (metrics.errors > 0) {
      this.#warn(
        `${test.name}: ${metrics.errors} of ${iterations} iterations failed: ${firstError}`,
      )
    }
    if (hookError !== undefined) this.#warn(`${test.name}: ${hookError}`)
    const statistics = {
      ...this.#benchmark.calculateStatistics(metrics),
      ...measured.statistics,
    }
    return {
      name: test.name,
      status: error === undefined ? 'completed' : 'failed',
      iterations,
      warmupIterations,
      metrics,
      statistics,
      totalTime: measured.totalTime,
      ...measured.facts,
      ...judged(options.threshold, statistics),
      ...(error !== undefined && { error }),
    }
  }

  /**
   * The result of a test that could not be run.
   *
   * @param {types.BenchmarkTest} test
   * @param {string} error
   * @returns {types.BenchmarkTestResult}
   */
  #unrun(test, error) {
    const { iterations, warmupIterations, threshold } = this.#optionsOf(test)
    const metrics = { duration: [], memory: [], throughput: [], errors: 0 }
    const statistics = this.#benchmark.calculateStatistics(metrics)
    const figures = { iterations, warmupIterations, metrics, statistics, totalTime: 0 }
    const limit = judged(threshold, statistics)
    return { name: test.name, status: 'failed', ...figures, ...limit, error }
  }

  /** Its own before those of the suite, and those before the benchmark's. @param {types.BenchmarkTest} test */
  #optionsOf(test) {
    const { options } = this.#benchmark
    const threshold = test.threshold ?? this.#suite.threshold ?? options.threshold
    return testOptions({ ...options, ...test, threshold })
  }

  /**
   * A listener that throws ends the run, and its error is the run's.
   *
   * @param {types.BenchmarkTest} test
   * @param {number} index
   * @param {number} iterations
   */
  #tell(test, index, iterations) {
    try {
      const tests = this.#tests.length
      this.#onProgress?.({ suite: this.#suite.name, test: test.name, index, tests, iterations })
    } catch (error) {
      this.#stop.abort(error)
    }
  }

  /** @param {string} text */
  #warn(text) {
    if (!this.#benchmark.options.silent) console.warn(text)
  }
}

module.exports = { SuiteRun }
