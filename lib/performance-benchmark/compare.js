// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')

/** @import * as types from '../performance-benchmark.js' */

/** @type {types.BenchmarkMetric[]} */
const METRICS = ['duration', 'memory', 'throughput']

/** The most runs a side that are compared exactly. */
const MOST_RUNS = 50

/**
 * @param {types.ComparableResult} current
 * @param {types.ComparableResult} baseline
 * @param {object} [of]
 * @param {boolean} [of.measured] whether the averages are of measurements, of which few bytes say nothing
 * @returns {types.PerformanceRegression}
 */
function compare(current, baseline, { measured = false } = {}) {
  /** @type {types.PerformanceRegression} */
  const regression = { detected: false, issues: [], improvements: [] }
  const uncompared = []
  /** @type {types.RunsComparison[]} */
  const comparisons = []
  for (const { name, test, other } of pairs(current, baseline)) {
    const of = name === undefined ? {} : { test: name }
    const byRuns = compareRuns(test, other)
    const metrics = METRICS.filter((metric) => byRuns.every((known) => known.metric !== metric))
    const byAverages = changesOfAverages(test, other, metrics, measured)
    if (byRuns.length === 0 && !byAverages) uncompared.push(name)
    comparisons.push(...byRuns.map((known) => ({ ...of, ...known })))
    for (const { metric, change, threshold, outcome } of [...byRuns, ...(byAverages ?? [])]) {
      if (outcome === 'regressed') regression.issues.push({ ...of, metric, change, threshold })
      if (outcome === 'improved') regression.improvements.push({ ...of, metric, change })
    }
  }
  regression.detected = regression.issues.length > 0
  if (comparisons.length > 0) regression.comparisons = comparisons
  const names = uncompared.filter((name) => name !== undefined)
  return names.length > 0 ? { ...regression, uncompared: names } : regression
}

/**
 * Two results side by side; suites test by test, matched by name.
 *
 * @param {types.ComparableResult} current
 * @param {types.ComparableResult} baseline
 * @returns {{ name?: string, test: types.ComparableTest | undefined, other: types.ComparableTest | undefined }[]}
 */
function pairs(current, baseline) {
  const sole = (/** @type {types.ComparableResult} */ result) =>
    /** @type {types.ComparableTest} */ (result)
  if (!('tests' in current)) return [{ test: current, other: sole(baseline) }]
  const others = 'tests' in baseline ? testsOf('baseline', baseline) : [baseline]
  return testsOf('current', current).map((test) => ({
    name: test.name,
    test,
    other: others.find((other) => other.name === test.name),
  }))
}

/** @param {string} name @param {{ tests: types.ComparableTest[] }} suite */
function testsOf(name, { tests }) {
  if (!Array.isArray(tests)) throw args.invalidType(`${name}.tests`, 'an array', tests)
  tests.forEach((test, index) => {
    args.object(`${name}.tests[${index}]`, test)
  })
  return tests
}

/**
 * The changes beyond the thresholds; nothing if no metric could be compared.
 *
 * @param {types.ComparableTest | undefined} test
 * @param {types.ComparableTest | undefined} other
 * @param {types.BenchmarkMetric[]} metrics
 * @param {boolean} measured
 */
function changesOfAverages(test, other, metrics, measured) {
  const [current, baseline] = [test, other].map((side) => averagesOf(side, metrics))
  const changes = native.benchmarkCompare(current, baseline, measured)
  return changes?.map(({ worse, ...change }) => ({
    ...change,
    outcome: worse ? 'regressed' : 'improved',
  }))
}

/**
 * @param {types.ComparableTest | undefined} result possibly read from a file
 * @param {types.BenchmarkMetric[]} metrics
 */
function averagesOf(result, metrics) {
  return Object.fromEntries(
    metrics.flatMap((metric) => {
      const value = result?.statistics?.[metric]?.avg
      return typeof value === 'number' ? [[metric, value]] : []
    }),
  )
}

/**
 * The metrics of which both sides have several runs. One alone tells nothing that its average does not.
 *
 * @param {types.ComparableTest | undefined} test
 * @param {types.ComparableTest | undefined} other
 * @returns {types.RunsComparison[]}
 */
function compareRuns(test, other) {
  return METRICS.flatMap((metric) => {
    const current = runsOf(test, metric)
    const baseline = runsOf(other, metric)
    if (Math.min(current.length, baseline.length) < 2) return []
    const known = native.benchmarkCompareRuns(metric, current, baseline)
    return known ? [{ metric, ...known, runs: [current.length, baseline.length] }] : []
  })
}

/**
 * @param {types.ComparableTest | undefined} result
 * @param {types.BenchmarkMetric} metric
 */
function runsOf(result, metric) {
  const values = result?.runs?.[metric] ?? []
  if (!Array.isArray(values)) throw args.invalidType(`runs.${metric}`, 'an array', values)
  args.integer(`runs.${metric}.length`, values.length, 0, MOST_RUNS)
  return Float64Array.from(values.filter(Number.isFinite))
}

module.exports = { METRICS, MOST_RUNS, compare }
