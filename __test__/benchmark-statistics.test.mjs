// @ts-check
// Statistics against figures of numpy and scipy; fixtures/statistics/make.py says how those were made.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'

const benchmark = new PerformanceBenchmark({ silent: true })
const file = new URL('fixtures/statistics/expected.json', import.meta.url)
const { samples, comparisons } = JSON.parse(readFileSync(file, 'utf8'))

/** @param {number | undefined} found @param {number} expected @param {string} what */
function near(found, expected, what) {
  const off = Math.abs(/** @type {number} */ (found) - expected)
  assert(off <= 1e-12 * Math.max(Math.abs(expected), 1e-9), `${what}: ${found} is not ${expected}`)
}

samples.forEach(
  (/** @type {any} */ { values, resampled, ci95, ...expected }, /** @type {number} */ index) => {
    test(`sample ${index}, of ${values.length}`, () => {
      const metrics = { duration: values, memory: [], throughput: [], errors: 0 }
      const known = /** @type {any} */ (benchmark.calculateStatistics(metrics).duration)
      for (const [name, figure] of Object.entries(expected)) near(known[name], figure, name)
      assert.deepEqual(known.ci95, ci95)
      near(benchmark.calculateMedian(values), expected.median, 'median')
      near(benchmark.calculatePercentile(values, 95), expected.p95, 'p95')
      near(benchmark.calculateStandardDeviation(values), expected.stddev, 'stddev')
      // Random resamples end within a rank of their limit; those of an even count may lie between two values.
      const sorted = values.toSorted((/** @type {number} */ a, /** @type {number} */ b) => a - b)
      const [low, high] = known.ci95.map((/** @type {number} */ bound) => sorted.indexOf(bound))
      const last = sorted.length - 1
      assert(
        sorted[Math.max(low - 1, 0)] <= resampled[0] &&
          resampled[0] <= sorted[Math.min(low + 2, last)],
      )
      assert(
        sorted[Math.max(high - 2, 0)] <= resampled[1] &&
          resampled[1] <= sorted[Math.min(high + 1, last)],
      )
    })
  },
)

comparisons.forEach(
  (/** @type {any} */ { first, second, interval, ...expected }, /** @type {number} */ index) => {
    test(`comparison ${index}, of ${first.length} with ${second.length}`, () => {
      const of = (/** @type {number[]} */ duration) => ({ runs: { duration } })
      const { comparisons = [] } = benchmark.detectPerformanceRegression(of(first), of(second))
      const [known] = comparisons
      for (const [name, figure] of Object.entries(expected))
        near(/** @type {any} */ (known)[name], figure, name)
      // Relative to the baseline's median.
      const then = benchmark.calculateMedian(second)
      near(known.change, expected.shift / then, 'change')
      interval.forEach((/** @type {number} */ bound, /** @type {number} */ side) => {
        near(known.interval?.[side], bound / then, 'interval')
      })
    })
  },
)
