// @ts-check
'use strict'

const native = require('../internal/native.js')

/** @import * as types from '../performance-benchmark.js' */

/**
 * @param {types.ComparableResult} current
 * @param {types.ComparableResult} baseline
 * @returns {types.PerformanceRegression}
 */
function compare(current, baseline) {
  /** @type {types.PerformanceRegression} */
  const regression = { detected: false, issues: [], improvements: [] }
  const uncompared = []
  for (const { name, test, other } of pairs(current, baseline)) {
    const changes = native.benchmarkCompare(averagesOf(test), averagesOf(other))
    const of = name === undefined ? {} : { test: name }
    if (!changes) uncompared.push(name)
    for (const { metric, change, threshold, worse } of changes ?? []) {
      if (worse) regression.issues.push({ ...of, metric, change, threshold })
      else regression.improvements.push({ ...of, metric, change })
    }
  }
  regression.detected = regression.issues.length > 0
  const names = uncompared.filter((name) => name !== undefined)
  return names.length > 0 ? { ...regression, uncompared: names } : regression
}

/**
 * Two results side by side; suites test by test, matched by name.
 *
 * @param {types.ComparableResult} current
 * @param {types.ComparableResult} baseline
 * @returns {{ name?: string, test: types.ComparableResult | undefined, other: types.ComparableResult | undefined }[]}
 */
function pairs(current, baseline) {
  if (!('tests' in current)) return [{ test: current, other: baseline }]
  const others = 'tests' in baseline ? baseline.tests : [baseline]
  return current.tests.map((test) => ({
    name: test.name,
    test,
    other: others.find((other) => 'name' in other && other.name === test.name),
  }))
}

/** @param {any} result of a test, possibly read from a file */
function averagesOf(result) {
  const average = (/** @type {string} */ metric) => {
    const value = result?.statistics?.[metric]?.avg
    return typeof value === 'number' ? value : undefined
  }
  return {
    duration: average('duration'),
    memory: average('memory'),
    throughput: average('throughput'),
  }
}

module.exports = { compare }
