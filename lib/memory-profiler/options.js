// @ts-check
'use strict'

const os = require('node:os')

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { heapLimit } = require('./readings.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { MemoryLeakRule } from '../../binding.js' */

const MIB = 1024 * 1024
const LONGEST = 2 ** 31 - 1
const PROBE_INTERVAL = 180_000

/** @param {unknown} value */
function samplingInterval(value) {
  return args.number('samplingInterval', value, 1, LONGEST)
}

/** @param {unknown} value */
function maxSamples(value) {
  return args.integer('maxSamples', value, 1)
}

/**
 * @param {types.MemoryProfilerOptions} options
 * @returns {types.MemoryThresholds}
 */
function thresholds(options) {
  return {
    heapUsed: threshold('heapThreshold', options.heapThreshold || 100 * MIB),
    heapTotal: threshold('heapTotalThreshold', options.heapTotalThreshold || 200 * MIB),
    external: threshold('externalThreshold', options.externalThreshold || 50 * MIB),
    rss: threshold('rssThreshold', options.rssThreshold || 500 * MIB),
  }
}

/**
 * @param {string} name
 * @param {number | string} value
 * @returns {types.Threshold}
 */
function threshold(name, value) {
  if (typeof value === 'string') {
    if (percentage(value) === undefined)
      throw args.invalidValue(name, "is no share such as '80%'", value)
    return /** @type {types.Threshold} */ (value)
  }
  return args.number(name, value, 0, Number.POSITIVE_INFINITY)
}

/** @param {string} text */
function percentage(text) {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text)
  return match ? Number(match[1]) : undefined
}

/**
 * A threshold in bytes; `undefined` of what is none. A share of V8's limit for its heap, else of the container's, or of
 * the machine's memory.
 *
 * @param {string} metric
 * @param {unknown} threshold
 */
function thresholdBytes(metric, threshold) {
  if (typeof threshold === 'number') return Number.isNaN(threshold) ? undefined : threshold
  const share = typeof threshold === 'string' ? percentage(threshold) : undefined
  if (share === undefined) return undefined
  const whole = metric.startsWith('heap') ? heapLimit() : (native.containerLimit() ?? os.totalmem())
  return (share / 100) * whole
}

/**
 * @param {types.LeakDetectionOptions} [options]
 * @returns {MemoryLeakRule}
 */
function leakRule(options = {}) {
  args.object('leakDetection', options)
  const { bucketInterval, gracePeriod = 600_000, minGrowth, probe = false } = options
  const probed = probe === true ? PROBE_INTERVAL : probe
  return {
    bucket: args.number('leakDetection.bucketInterval', bucketInterval || 30_000, 1, LONGEST),
    grace: args.number('leakDetection.gracePeriod', gracePeriod, 0, LONGEST),
    minGrowth: args.number('leakDetection.minGrowth', minGrowth || 0.002, 0, 1e6),
    probe: probed
      ? args.number('leakDetection.probe', probed, 1, LONGEST)
      : Number.POSITIVE_INFINITY,
  }
}

/**
 * @param {types.MemoryProfilerOptions} options
 */
function alertRule({ alertInterval, alertHysteresis }) {
  return {
    interval: args.number('alertInterval', alertInterval || 0, 0, LONGEST),
    hysteresis: args.number('alertHysteresis', alertHysteresis || 0, 0, 1),
  }
}

module.exports = { samplingInterval, maxSamples, thresholds, thresholdBytes, leakRule, alertRule }
