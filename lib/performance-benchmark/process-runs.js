// @ts-check
'use strict'

// The same suites in several processes, one after the other: what differs between two runs of a program (where its
// code and data lie, what was compiled when) is in the figures only then.

const { fork } = require('node:child_process')
const native = require('../internal/native.js')
const { settingsOf } = require('./options.js')
const { judged } = require('./threshold.js')

/** @import * as types from '../performance-benchmark.js' */

const CHILD = require.resolve('./process-child.js')

/**
 * The results of one run in a process of its own.
 *
 * @param {string} file
 * @param {types.BenchmarkOptions} options
 * @param {types.BenchmarkRunOptions} watch
 * @returns {Promise<types.BenchmarkSuiteResult[]>}
 */
function runInProcess(file, options, { signal, onProgress }) {
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    // What the suite prints is not to be mistaken for a report.
    const child = fork(CHILD, { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'] })
    const end = (/** @type {() => void} */ settle) => {
      signal?.removeEventListener('abort', abort)
      // It may still tell of an error of its own end, which is no news.
      child.removeAllListeners().on('error', () => {})
      child.kill('SIGKILL')
      settle()
    }
    const abort = () => end(() => reject(signal?.reason))
    signal?.addEventListener('abort', abort, { once: true })
    child.on('message', (/** @type {any} */ { results, error, progress }) => {
      if (results) return end(() => resolve(results))
      if (error) return end(() => reject(rebuilt(error)))
      try {
        onProgress?.(progress)
      } catch (thrown) {
        end(() => reject(thrown))
      }
    })
    child.on('error', (error) => end(() => reject(error)))
    child.on('exit', (code, by) => end(() => reject(ended(file, code, by))))
    child.send({ file, options: settingsOf(options) })
  })
}

/**
 * Throws if a run has other suites or tests than the first.
 *
 * @param {string} file
 * @param {types.BenchmarkSuiteResult[]} first
 * @param {types.BenchmarkSuiteResult[]} results
 * @param {number} run which one, from 1
 */
function checkAlike(file, first, results, run) {
  const [expected, found] = [first, results].map(outline)
  const count = Math.max(expected.length, found.length)
  for (let index = 0; index < count; index++) {
    const [known, other] = [expected[index], found[index]]
    if (known === other) continue
    const difference =
      other === undefined
        ? `no '${known}' as the first has`
        : `'${other}' where the first has ${known === undefined ? 'nothing' : `'${known}'`}`
    const error = new Error(
      `Run ${run} of ${file} has ${difference}: all runs must have the same suites and tests`,
    )
    throw Object.assign(error, { code: 'ERR_AIWF_RUNS_DIFFER' })
  }
}

/** The names of suites and tests in order. @param {types.BenchmarkSuiteResult[]} results */
function outline(results) {
  return results.flatMap(({ name, tests }) => [
    name,
    ...tests.map((test) => `${name} › ${test.name}`),
  ])
}

/** @param {{ message: string, stack?: string, code?: string }} told */
function rebuilt({ message, ...known }) {
  return Object.assign(new Error(message), known)
}

/** @param {string} file @param {number | null} code @param {NodeJS.Signals | null} signal */
function ended(file, code, signal) {
  const how = signal ? `by ${signal}` : `with exit code ${code}`
  const error = new Error(`The benchmark process of ${file} ended ${how} before its results`)
  return Object.assign(error, { code: 'ERR_AIWF_BENCHMARK_PROCESS' })
}

/**
 * One result of several runs of a suite: what was measured together, and each run's medians.
 *
 * @param {types.BenchmarkSuiteResult[]} runs of the same tests
 * @param {(metrics: types.BenchmarkMetrics) => types.BenchmarkStatistics} statisticsOf
 * @param {(tests: types.BenchmarkTestResult[]) => types.BenchmarkSuiteSummary} summaryOf
 * @returns {types.BenchmarkSuiteResult}
 */
function merge(runs, statisticsOf, summaryOf) {
  const [first] = runs
  const tests = first.tests.map((_, index) =>
    mergeTest(
      runs.map((run) => run.tests[index]),
      statisticsOf,
    ),
  )
  return { ...first, tests, summary: summaryOf(tests) }
}

/**
 * @param {types.BenchmarkTestResult[]} runs
 * @param {(metrics: types.BenchmarkMetrics) => types.BenchmarkStatistics} statisticsOf
 * @returns {types.BenchmarkTestResult}
 */
function mergeTest(runs, statisticsOf) {
  const sum = (/** @type {(run: types.BenchmarkTestResult) => number} */ figure) =>
    runs.reduce((sum, run) => sum + figure(run), 0)
  const all = (/** @type {types.BenchmarkMetric} */ metric) =>
    runs.flatMap((run) => run.metrics[metric])
  const metrics = {
    duration: all('duration'),
    memory: all('memory'),
    throughput: all('throughput'),
    errors: sum((run) => run.metrics.errors),
  }
  const isSampled = runs.some((run) => run.sampled)
  const statistics = { ...statisticsOf(metrics), ...(isSampled && exact(runs, metrics)) }
  const failed = runs.find((run) => run.status === 'failed')
  return {
    ...(failed ?? runs[0]),
    iterations: sum((run) => run.iterations),
    metrics,
    statistics,
    totalTime: sum((run) => run.totalTime),
    ...(isSampled && { sampled: metrics.duration.length }),
    ...(runs[0].steadyState !== undefined && { steadyState: runs.every((run) => run.steadyState) }),
    ...(runs.some((run) => run.optimizedAway) && { optimizedAway: true }),
    ...(runs.length > 1 && { runs: mediansOf(runs) }),
    ...judged(runs[0].threshold, statistics),
  }
}

/**
 * The figures of all iterations, of which `metrics` has a sample.
 *
 * @param {types.BenchmarkTestResult[]} runs
 * @param {types.BenchmarkMetrics} metrics of all of them
 * @returns {Partial<types.BenchmarkStatistics>}
 */
function exact(runs, { duration, errors }) {
  const parts = runs.flatMap(({ iterations, metrics, statistics, sampled }) => {
    const count = sampled ? iterations - metrics.errors : metrics.duration.length
    return statistics.duration ? { count, statistics: statistics.duration } : []
  })
  return native.benchmarkTogether(parts, Float64Array.from(duration), errors) ?? {}
}

/**
 * @param {types.BenchmarkTestResult[]} runs
 * @returns {Record<types.BenchmarkMetric, number[]>}
 */
function mediansOf(runs) {
  const medians = (/** @type {types.BenchmarkMetric} */ metric) =>
    runs.flatMap((run) => run.statistics[metric]?.median ?? [])
  return {
    duration: medians('duration'),
    memory: medians('memory'),
    throughput: medians('throughput'),
  }
}

module.exports = { checkAlike, merge, runInProcess }
