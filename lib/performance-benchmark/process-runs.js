// @ts-check
'use strict'

// The same suites in several processes, one after the other: what differs between two runs of a program (where its
// code and data lie, what was compiled when) is in the figures only then.

const { fork } = require('node:child_process')
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
      child.removeAllListeners()
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
    child.send({ file, options })
  })
}

/** @param {{ message: string, stack?: string, code?: string }} told */
function rebuilt({ message, stack, code }) {
  return Object.assign(new Error(message), { stack }, code !== undefined && { code })
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
 * @param {types.BenchmarkSuiteResult[]} runs
 * @param {(metrics: types.BenchmarkMetrics) => types.BenchmarkStatistics} statisticsOf
 * @param {(tests: types.BenchmarkTestResult[]) => types.BenchmarkSuiteSummary} summaryOf
 * @returns {types.BenchmarkSuiteResult}
 */
function merge(runs, statisticsOf, summaryOf) {
  const [first] = runs
  const tests = first.tests.map(({ name }) => {
    const same = runs.flatMap((run) => run.tests.find((test) => test.name === name) ?? [])
    return mergeTest(same, statisticsOf)
  })
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
  const statistics = statisticsOf(metrics)
  const failed = runs.find((run) => run.status === 'failed')
  return {
    ...(failed ?? runs[0]),
    iterations: sum((run) => run.iterations),
    metrics,
    statistics,
    totalTime: sum((run) => run.totalTime),
    ...(runs.some((run) => run.sampled) && { sampled: metrics.duration.length }),
    ...(runs.length > 1 && { runs: mediansOf(runs) }),
    ...judged(runs[0].threshold, statistics),
  }
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

module.exports = { merge, runInProcess }
