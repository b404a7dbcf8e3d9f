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
 * @returns {types.PerformanceRegression}
 */
function compare(current, baseline) {
  /** @type {types.PerformanceRegression} */
  const regression = { detected: false, issues: [], improvements: [] }
  const uncompared = []
  /** @type {types.RunsComparison[]} */
  const comparisons = []
  for (const { name, test, other } of pairs(current, baseline)) {
    const of = name === undefined ? {} : { test: name }
    const byRuns = compareRuns(test, other)
    const changes = byRuns.length > 0 ? byRuns : changesOfAverages(test, other)
    if (!changes) uncompared.push(name)
    comparisons.push(...byRuns.map((known) => ({ ...of, ...known })))
    for (const { metric, change, threshold, outcome } of changes ?? []) {
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
  const others = 'tests' in baseline ? baseline.tests : [baseline]
  return current.tests.map((test) => ({
    name: test.name,
    test,
    other: others.find((other) => other.name === test.name),
  }))
}

/**
 * @param {types.ComparableTest | undefined} test
 * @param {types.ComparableTest | undefined} other
 */
function changesOfAverages(test, other) {
  const changes = native.benchmarkCompare(averagesOf(test), averagesOf(other))
  return changes?.map(({ worse, ...change }) => ({
    ...change,
    outcome: worse ? 'regressed' : 'improved',
  }))
}

/** @param {types.ComparableTest | undefined} result possibly read from a file */
function averagesOf(result) {
  const average = (/** @type {types.BenchmarkMetric} */ metric) => {
    const value = result?.statistics?.[metric]?.avg
    return typeof value === 'number' ? value : undefined
  }
  return {
    duration: average('duration'),
    memory: average('memory'),
    throughput: average('throughput'),
  }
}

/**
 * The metrics of which both sides have runs.
 *
 * @param {types.ComparableTest | undefined} test
 * @param {types.ComparableTest | undefined} other
 * @returns {types.RunsComparison[]}
 */
function compareRuns(test, other) {
  return METRICS.flatMap((metric) => {
    const current = runsOf(test, metric)
    const baseline = runsOf(other, metric)
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
