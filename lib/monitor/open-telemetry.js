// @ts-check
'use strict'

// Metrics in the shape of OTLP/JSON (opentelemetry-proto, metrics/v1/metrics.proto).

const manifest = require('../../package.json')

/** @import * as types from '../monitor.js' */

/** @import { Figure, MetricKnown } from '../../binding.js' */

/** The enumeration AggregationTemporality: what there was from a start on. */
const CUMULATIVE = 2

/**
 * @param {number} started milliseconds since the epoch
 * @param {(Figure & { kind: 'gauge' | 'counter' })[]} figures
 * @param {MetricKnown[]} known
 * @returns {types.OpenTelemetryMetrics}
 */
function openTelemetry(started, figures, known) {
  const timeUnixNano = nanoseconds(Date.now())
  const since = { startTimeUnixNano: nanoseconds(started), timeUnixNano }
  const metrics = [
    ...figures.map(({ name, kind, value: asDouble }) => ({
      name: `aiwf.${name}`,
      ...(kind === 'gauge'
        ? { gauge: { dataPoints: [{ timeUnixNano, asDouble }] } }
        : { sum: counter({ ...since, asDouble }) }),
    })),
    ...known.map((metric) => ({
      name: `aiwf.${metric.name}`,
      summary: { dataPoints: [{ ...since, ...point(metric) }] },
    })),
  ]
  const scope = { name: manifest.name, version: manifest.version }
  return { resourceMetrics: [{ resource: {}, scopeMetrics: [{ scope, metrics }] }] }
}

/** @param {object} dataPoint */
function counter(dataPoint) {
  return { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints: [dataPoint] }
}

/** Count and sum are of all values, the quantiles of the window. @param {MetricKnown} metric */
function point({ count, sum, window }) {
  // 64-bit integers are strings in the JSON of protocol buffers.
  return { count: String(count), sum, quantileValues: window ? quantiles(window) : [] }
}

/** @param {types.MetricSummary} window */
function quantiles({ min, p50, p95, p99, max }) {
  const values = /** @type {const} */ ([
    [0, min],
    [0.5, p50],
    [0.95, p95],
    [0.99, p99],
    [1, max],
  ])
  return values.map(([quantile, value]) => ({ quantile, value }))
}

/** @param {number} milliseconds since the epoch */
function nanoseconds(milliseconds) {
  return String(BigInt(milliseconds) * 1_000_000n)
}

module.exports = { openTelemetry }
