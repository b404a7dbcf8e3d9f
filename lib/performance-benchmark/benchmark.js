// @ts-check
'use strict'

const { resolve } = require('node:path')
const { isTypedArray } = require('node:util').types
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const baselines = require('./baseline.js')
const { MOST_RUNS, compare } = require('./compare.js')
const { describe, loadTestConfig } = require('./load-config.js')
const { loadFunction, loadUrl } = require('./load.js')
const { checkRunOptions, checkSuite, settingsOf } = require('./options.js')
const { checkAlike, merge, runInProcess } = require('./process-runs.js')
const { generate, write } = require('./report.js')
const { SuiteRun } = require('./suite-run.js')

/** @import * as types from '../performance-benchmark.js' */

/** @implements {types.PerformanceBenchmark} */
class PerformanceBenchmark {
  /** @type {types.BenchmarkMemoryProfiler | undefined} */
  #memoryProfiler
  #profiledRuns = 0

  /** @param {types.BenchmarkOptions} [options] */
  constructor(options = {}) {
    /** @type {types.PerformanceBenchmark['options']} */
    this.options = { ...options, ...settingsOf(options) }
    /** @type {types.BenchmarkSuiteResult[]} */
    this.results = []
    /** @type {Map<string, types.BenchmarkSuiteResult>} */
    this.benchmarkHistory = new Map()
    /** @type {types.LoadTestResult[]} */
    this.loadTests = []
    /** @type {types.BaselineComparison | undefined} */
    this.comparison = undefined
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
   * @param {types.BenchmarkRunOptions} [options]
   * @returns {Promise<types.BenchmarkSuiteResult>}
   */
  async run(suite, options = {}) {
    checkSuite(suite)
    checkRunOptions(options)
    options.signal?.throwIfAborted()
    this.#say(`Running benchmark suite: ${suite.name}`)
    const profiling = this.options.memoryProfiling
    if (profiling) this.#startProfiling()
    const timestamp = Date.now()
    /** @type {types.BenchmarkTestResult[]} */
    let tests
    let memoryReport
    try {
      tests = await new SuiteRun(this, suite, options).run()
    } finally {
      if (profiling) memoryReport = this.#stopProfiling()
    }
    /** @type {types.BenchmarkSuiteResult} */
    const result = { name: suite.name, timestamp, tests, summary: summaryOf(tests) }
    if (profiling) result.memoryReport = memoryReport
    return this.#keep(result)
  }

  /**
   * @param {string} file
   * @param {types.BenchmarkFileOptions} [options]
   * @returns {Promise<types.BenchmarkSuiteResult[]>}
   */
  async runFile(file, options = {}) {
    const path = resolve(args.string('file', file))
    checkRunOptions(options)
    const runs = args.integer('runs', options.runs ?? 1, 1, MOST_RUNS)
    /** @type {types.BenchmarkSuiteResult[][]} */
    const all = []
    while (all.length < runs) {
      this.#say(`Running ${file}: ${all.length + 1} of ${runs}`)
      const run = all.length
      const onProgress =
        options.onProgress &&
        ((/** @type {types.BenchmarkProgress} */ news) =>
          options.onProgress?.({ ...news, run, runs }))
      all.push(await runInProcess(path, this.options, { signal: options.signal, onProgress }))
      checkAlike(file, all[0], all[run], run + 1)
    }
    const statisticsOf = this.calculateStatistics.bind(this)
    return all[0].map((_, index) =>
      this.#keep(
        merge(
          all.map((run) => run[index]),
          statisticsOf,
          summaryOf,
        ),
      ),
    )
  }

  /** @param {types.BenchmarkSuiteResult} result */
  #keep(result) {
    this.results.push(result)
    this.benchmarkHistory.set(result.name, result)
    return result
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

  /**
   * @param {ArrayLike<number>} values
   * @param {number} [rows]
   */
  histogram(values, rows = 10) {
    return native.benchmarkHistogram(numbers('values', values), args.integer('rows', rows, 1, 1000))
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
    const result = {
      name: settings.name,
      config: describe(settings, config),
      timestamp,
      ...outcome,
    }
    this.loadTests.push(result)
    return result
  }

  /**
   * @param {types.ComparableResult} current
   * @param {types.ComparableResult} baseline
   * @returns {types.PerformanceRegression}
   */
  detectPerformanceRegression(current, baseline) {
    return compare(args.object('current', current), args.object('baseline', baseline))
  }

  /**
   * @param {string} path
   * @param {types.SaveBaselineOptions} [options]
   */
  async saveBaseline(path, options = {}) {
    return baselines.save(path, this.results, args.object('options', options))
  }

  /** @param {string} path */
  async loadBaseline(path) {
    return baselines.load(path)
  }

  /** @param {string | types.BenchmarkBaseline} baseline */
  async compareToBaseline(baseline) {
    const known = typeof baseline === 'string' ? await baselines.load(baseline) : baseline
    this.comparison = baselines.compareTo(this.results, args.object('baseline', known))
    return this.comparison
  }

  /** @returns {types.BenchmarkReport} */
  generateReport() {
    return generate(this)
  }

  /** @param {string} path */
  saveReport(path) {
    return write(path, this, 'json')
  }

  /** @param {string} path */
  generateHTMLReport(path) {
    return write(path, this, 'html')
  }

  /** @param {string} path */
  generateMarkdownReport(path) {
    return write(path, this, 'markdown')
  }

  /** @param {string} path */
  generateJUnitReport(path) {
    return write(path, this, 'junit')
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
}

/**
 * @param {string} name
 * @param {ArrayLike<number>} values
 */
function numbers(name, values) {
  if (values instanceof Float64Array) return values
  try {
    if (Array.isArray(values) || isTypedArray(values)) return Float64Array.from(values)
  } catch {
    // A value that is no number and becomes none.
  }
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
