// @ts-check
'use strict'

// The milliseconds a test may take on average.

const args = require('../internal/arguments.js')

/** @import * as types from '../performance-benchmark.js' */

/**
 * A limit as it was given; none is infinite.
 *
 * @param {unknown} threshold
 * @param {string} [name]
 */
function checked(threshold, name = 'threshold') {
  return args.number(name, threshold ?? Infinity, 0, Infinity)
}

/**
 * What a result has to say of its limit.
 *
 * @param {number | undefined} threshold
 * @param {types.BenchmarkStatistics} statistics
 * @returns {Pick<types.BenchmarkTestResult, 'threshold' | 'slow'>}
 */
function judged(threshold = Infinity, { duration }) {
  if (threshold === Infinity) return {}
  return duration ? { threshold, slow: duration.avg > threshold } : { threshold }
}

module.exports = { checked, judged }
