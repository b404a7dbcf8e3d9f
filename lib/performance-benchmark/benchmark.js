// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { promised, settler } = require('../internal/settle.js')
const { compare } = require('./compare.js')
const { describe, loadTestConfig } = require('./load-config.js')
const { loadFunction, loadUrl } = require('./load-test.js')
const { checkSuite, testOptions } = require('./options.js')
const { messageOf, runHook, runTest } = require('./run-test.js')
const { Watchdog } = require('./watchdog.js')

/** @import * as types from '../performance-benchmark.js' */

/** @implements {types.PerformanceBenchmark} */
class PerformanceBenchmark {
  /** @type {types.BenchmarkMemoryProfiler | undefined} */
  #memoryProfiler
  #profiledRuns = 0

  /** @param {types.BenchmarkOptions} [options] */
  constructor(options = {}) {
    args.object('options', options)
    const { memoryProfiling, silent } = options
    /** @type {types.PerformanceBenchmark['options']} */
    this.options = {
      ...options,
      ...testOptions(options),
      memoryProfiling: Boolean(memoryProfiling),
      silent: Boolean(silent),
    }
    /** @type {types.BenchmarkSuiteResult[]} */
    this.results = []
    /** @type {Map<string, types.BenchmarkSuiteResult>} */
    this.benchmarkHistory = new Map()
  }

  /** Made when it is first needed: few benchmarks profile memory. */
  get memoryProfiler() {
    if (!this.#memoryProfiler) {
      const { MemoryProfiler } = require('../memory-profiler.js')
      this.#memoryProfiler = new MemoryProfiler({ silent: this.options.silent })
    }
    return /** @type {types.BenchmarkMemoryProfiler} */ (this.#memoryProfiler)
  }

  set memoryProfiler(profiler) {
    this.#memoryProfiler = profiler
  }

  /**
   * @param {types.BenchmarkSuite} suite
   * @returns {Promise<types.BenchmarkSuiteResult>}
   */
  async run(suite) {
    checkSuite(suite)
    this.#say(`Running benchmark suite: ${suite.name}`)
    const profiling = this.options.memoryProfiling
    if (profiling) this.#startProfiling()
    const timestamp = Date.now()
    const tests = await this.#runTests(suite)
    /** @type {types.BenchmarkSuiteResult} */
    const result = { name: suite.name, timestamp, tests, summary: summaryOf(tests) }
    if (profiling) result.memoryReport = this.#stopProfiling()
    this.results.push(result)
    this.benchmarkHistory.set(suite.name, result)
    return result
  }

  /** @param {types.BenchmarkSuite} suite */
  async #runTests(suite) {
    const hook = (/** @type {'setup' | 'teardown'} */ name) =>
      this.#suiteHook(suite, name, () => suite[name]?.())
    const tests = []
    const setupError = await hook('setup')
    for (const test of suite.tests) {
      tests.push(setupError ? this.#unrun(test, setupError) : await this.#runTest(test))
    }
    await hook('teardown')
    return tests
  }

  /**
   * Runs a suite's hook; the message of its error, if it fails.
   *
   * @param {types.BenchmarkSuite} suite
   * @param {string} name
   * @param {() => unknown} hook
   */
  async #suiteHook(suite, name, hook) {
    const watchdog = new Watchdog(this.options.timeout)
    try {
      await runHook(hook, watchdog)
      return undefined
    } catch (error) {
      const message = `The ${name} of ${suite.name} failed: ${messageOf(error)}`
      this.#warn(message)
      return message
    } finally {
      watchdog.stop()
    }
  }

  /**
   * @param {types.BenchmarkTest} test
   * @returns {Promise<types.BenchmarkTestResult>}
   */
  async #runTest(test) {
    this.#say(`Running test: ${test.name}`)
    const options = testOptions({ ...this.options, ...test })
    const { metrics, totalTime, firstError, hookError } = await runTest(test, options)
    const { iterations, warmupIterations } = options
    const fruitless = metrics.errors > 0 && metrics.duration.length === 0
    const error = hookError ?? (fruitless ? firstError : undefined)
    if (metrics.errors > 0) {
      this.#warn(
        `${test.name}: ${metrics.errors} of ${iterations} iterations failed: ${firstError}`,
      )
    }
    if (hookError !== undefined) this.#warn(`${test.name}: ${hookError}`)
    return {
      name: test.name,
      status: error === undefined ? 'completed' : 'failed',
      iterations,
      warmupIterations,
      metrics,
      statistics: this.calculateStatistics(metrics),
      totalTime,
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
    const { iterations, warmupIterations } = testOptions({ ...this.options, ...test })
    const metrics = { duration: [], memory: [], throughput: [], errors: 0 }
    const statistics = this.calculateStatistics(metrics)
    const figures = { iterations, warmupIterations, metrics, statistics, totalTime: 0 }
    return { name: test.name, status: 'failed', ...figures, error }
  }

  /**
   * @param {types.BenchmarkMetrics} metrics
   * @returns {types.BenchmarkStatistics}
   */
  calculateStatistics(metrics) {
    const { duration, memory, throughput, errors } = args.object('metrics', metrics)
    return native.benchmarkStatistics(
      numbers('metrics.duration', duration),
      numbers('metrics.memory', memory),
      numbers('metrics.throughput', throughput),
      args.number('metrics.errors', errors),
    )
  }

  /** @param {ArrayLike<number>} sorted */
  calculateMedian(sorted) {
    return native.benchmarkMedian(numbers('sorted', sorted))
  }

  /**
   * @param {ArrayLike<number>} sorted
   * @param {number} percentile
   */
  calculatePercentile(sorted, percentile) {
    const values = numbers('sorted', sorted)
    return native.benchmarkPercentile(values, args.number('percentile', percentile, 0, 100))
  }

  /** @param {ArrayLike<number>} values */
  calculateStandardDeviation(values) {
    return native.benchmarkStandardDeviation(numbers('values', values))
  }

  /**
   * @param {types.LoadTestConfig} config
   * @returns {Promise<types.LoadTestResult>}
   */
  async runLoadTest(config) {
    const settings = loadTestConfig(config)
    this.#say(`Running load test: ${settings.name}`)
    const timestamp = Date.now()
    const { target } = settings
    const outcome = await traced(
      typeof target === 'function'
        ? loadFunction({ ...settings, target }, config)
        : loadUrl(settings, config),
    )
    return { name: settings.name, config: describe(settings, config), timestamp, ...outcome }
  }

  /**
   * @param {types.ComparableResult} current
   * @param {types.ComparableResult} baseline
   * @returns {types.PerformanceRegression}
   */
  detectPerformanceRegression(current, baseline) {
    return compare(args.object('current', current), args.object('baseline', baseline))
  }

  /** @returns {types.BenchmarkReport} */
  generateReport() {
    const suites = this.results
    const tests = suites.flatMap((suite) => suite.tests)
    const passed = tests.every((test) => test.status === 'completed')
    return {
      timestamp: Date.now(),
      summary: {
        totalSuites: suites.length,
        totalTests: tests.length,
        overallStatus: passed ? 'passed' : 'failed',
      },
      suites,
      configuration: this.options,
      systemInfo: {
        nodeVersion: process.version,
        platform: process.platform,
        arch: process.arch,
        memory: process.memoryUsage(),
      },
    }
  }

  /** @param {string} path */
  async saveReport(path) {
    args.string('path', path)
    const json = JSON.stringify(this.generateReport(), null, 2)
    await traced(promised((ticket) => native.saveReport(settler, ticket, path, json)))
    return path
  }

  /** @param {string} path */
  async generateHTMLReport(path) {
    args.string('path', path)
    const json = JSON.stringify(this.generateReport())
    await traced(promised((ticket) => native.saveReportPage(settler, ticket, path, json)))
    return path
  }

  // Suites may run at once; the profile spans them all.
  #startProfiling() {
    if (this.#profiledRuns++ === 0) this.memoryProfiler.startProfiling()
  }

  #stopProfiling() {
    if (--this.#profiledRuns === 0) this.memoryProfiler.stopProfiling()
    return this.memoryProfiler.generateReport()
  }

  /** @param {string} text */
  #say(text) {
    if (!this.options.silent) console.log(text)
  }

  /** @param {string} text */
  #warn(text) {
    if (!this.options.silent) console.warn(text)
  }
}

/**
 * @param {string} name
 * @param {ArrayLike<number>} values
 */
function numbers(name, values) {
  if (values instanceof Float64Array) return values
  if (Array.isArray(values) || ArrayBuffer.isView(values)) return Float64Array.from(values)
  throw args.invalidType(name, 'an array of numbers', values)
}

/** @param {types.BenchmarkTestResult[]} tests @returns {types.BenchmarkSuiteSummary} */
function summaryOf(tests) {
  const completed = tests.filter((test) => test.status === 'completed')
  const totals = native.benchmarkSummary(
    completed.map(({ totalTime, statistics }) => ({ totalTime, memory: statistics.memory })),
  )
  return {
    totalTests: tests.length,
    passedTests: completed.length,
    failedTests: tests.length - completed.length,
    ...totals,
  }
}

module.exports = { PerformanceBenchmark }
