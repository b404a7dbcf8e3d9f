// @ts-check
'use strict'

// Metrics in the shape of OTLP/JSON (opentelemetry-proto, metrics/v1/metrics.proto).

const manifest = require('../../package.json')

/** @import * as types from '../monitor.js' */

/**
 * @param {Record<string, number>} gauges
 * @param {Record<string, types.MetricSummary>} windows
 * @returns {types.OpenTelemetryMetrics}
 */
function openTelemetry(gauges, windows) {
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n)
  const metrics = [
    ...Object.entries(gauges).map(([name, asDouble]) => ({
      name: `aiwf.${name}`,
      gauge: { dataPoints: [{ timeUnixNano, asDouble }] },
    })),
    ...Object.entries(windows).map(([name, summary]) => ({
      name: `aiwf.${name}`,
      summary: { dataPoints: [{ timeUnixNano, ...point(summary) }] },
    })),
  ]
  const scope = { name: manifest.name, version: manifest.version }
  return { resourceMetrics: [{ resource: {}, scopeMetrics: [{ scope, metrics }] }] }
}

/** @param {types.MetricSummary} summary */
function point({ count, mean, min, p50, p95, p99, max }) {
  const quantiles = /** @type {const} */ ([
    [0, min],
    [0.5, p50],
    [0.95, p95],
    [0.99, p99],
    [1, max],
  ])
  return {
    // 64-bit integers are strings in the JSON of protocol buffers.
    count: String(count),
    sum: mean * count,
    quantileValues: quantiles.map(([quantile, value]) => ({ quantile, value })),
  }
}

module.exports = { openTelemetry }
