// @ts-check
'use strict'

const { thresholdBytes } = require('./options.js')
const { usageNow } = require('./readings.js')

/** @import * as types from '../memory-profiler.js' */

const METRICS = /** @type {const} */ (['heapUsed', 'heapTotal', 'external', 'rss'])
/** Samples that statistics cover. */
const STATISTICS_WINDOW = 100

/**
 * Over the last samples.
 *
 * @param {types.MemorySample[]} samples
 * @returns {types.MemoryReport['statistics']}
 */
function statistics(samples) {
  const latest = samples.slice(-STATISTICS_WINDOW)
  if (latest.length === 0) return {}
  const entries = METRICS.map((metric) => [
    metric,
    range(latest.map(({ memory }) => memory[metric] ?? 0)),
  ])
  return Object.fromEntries(entries)
}

/**
 * Over the last samples; nothing if none of them was one of the beat.
 *
 * @param {types.MemorySample[]} samples
 * @returns {types.Range | undefined}
 */
function eventLoopDelay(samples) {
  const delays = samples.slice(-STATISTICS_WINDOW).flatMap((sample) => sample.eventLoopDelay ?? [])
  return delays.length > 0 ? range(delays) : undefined
}

/**
 * What advice is based on, as it is now and as the latest samples of the beat found it.
 *
 * @param {types.MemorySample[]} samples
 * @param {Partial<types.MemoryThresholds> | null | undefined} thresholds as the user left them
 */
function measured(samples, thresholds) {
  // Who replaced the function may leave figures out, as who replaced the thresholds.
  const { heapUsed = 0, external = 0 } = usageNow()
  const { limit, limitUsed } = samples.findLast((sample) => sample.process)?.process ?? {}
  return {
    heapUsed,
    heapThreshold: thresholdBytes('heapUsed', thresholds?.heapUsed) ?? Infinity,
    external,
    externalThreshold: thresholdBytes('external', thresholds?.external) ?? Infinity,
    meanDelay: eventLoopDelay(samples)?.avg,
    limit,
    limitUsed,
  }
}

/** @param {number[]} values */
function range(values) {
  const sum = values.reduce((total, value) => total + value, 0)
  return { min: Math.min(...values), max: Math.max(...values), avg: sum / values.length }
}

/**
 * Field by field; a field that one side lacks counts as 0 there.
 *
 * @template {object} T
 * @param {T} before
 * @param {T} after
 * @returns {T}
 */
function difference(before, after) {
  const changes = new Map(Object.entries(before).map(([key, value]) => [key, 0 - value]))
  for (const [key, value] of Object.entries(after))
    changes.set(key, value + (changes.get(key) ?? 0))
  return /** @type {T} */ (Object.fromEntries(changes))
}

module.exports = { statistics, eventLoopDelay, difference, measured }
