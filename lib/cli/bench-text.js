// @ts-check
'use strict'

// What `bench` shows: the results as text, and the tables of what is too slow.

const { columns, heap, percent, time } = require('./figures.js')

/** @import * as types from '../performance-benchmark.js' */
/** @import { PerformanceBenchmark } from '../performance-benchmark.js' */
/** @typedef {ReturnType<typeof import('./colour.js').palette>} Palette */

/**
 * @param {PerformanceBenchmark} benchmark
 * @param {types.BenchmarkReport} report
 * @param {{ isFirst: boolean, histogram?: boolean, colours: Palette }} style
 */
function text(benchmark, { suites, comparison, systemInfo }, { isFirst, histogram, colours }) {
  const { cpu, cores } = systemInfo.machine
  const lines = [colours.dim(`Node ${systemInfo.nodeVersion}, ${cores} × ${cpu}`)]
  for (const suite of suites) {
    lines.push('', colours.bold(suite.name), columns([HEADS, ...suite.tests.map(row)]))
    for (const test of suite.tests) {
      if (test.error !== undefined) lines.push(colours.bad(`${test.name} failed: ${test.error}`))
      if (test.slow) lines.push(colours.bad(`${test.name} is too slow: ${averageOf(test)}`))
      if (test.optimizedAway) lines.push(colours.bad(`${test.name} was optimised away`))
      if (test.steadyState === false)
        lines.push(colours.bad(`${test.name} reached no steady state`))
      if (histogram) lines.push('', test.name, spread(benchmark, test))
    }
  }
  if (comparison) lines.push('', ...compared(comparison, colours))
  if (isFirst) lines.push('', 'No baseline yet: nothing to compare with')
  return lines.join('\n')
}

const HEADS = ['Test', 'Median', '95 % interval', 'p95', 'p99', 'Rate', 'Heap', 'Errors']

/** @param {types.BenchmarkTestResult} test */
function row({ name, statistics: { duration, memory }, metrics }) {
  const errors = String(metrics.errors)
  if (!duration) return [name, ...HEADS.slice(2).map(() => '–'), errors]
  const { median, ci95, p95, p99, opsPerSecond } = duration
  return [
    name,
    time(median),
    ci95.map(time).join(' – '),
    time(p95),
    time(p99),
    opsPerSecond === undefined ? '–' : `${opsPerSecond.toPrecision(4)} /s`,
    memory ? heap(memory.median) : '–',
    errors,
  ]
}

/** @param {PerformanceBenchmark} benchmark @param {types.BenchmarkTestResult} test */
function spread(benchmark, { metrics }) {
  const rows = benchmark.histogram(metrics.duration)
  if (rows.length === 0) return '–'
  return columns(
    rows.map(({ to, count, bar }) => [`${time(to).padStart(10)} ${bar}`, String(count)]),
  )
}

/** @param {types.BaselineComparison} comparison @param {Palette} colours */
function compared(comparison, colours) {
  const lines = []
  if (comparison.machineDifferences.length > 0) {
    const names = comparison.machineDifferences.join(', ')
    lines.push(colours.bad(`The baseline is of another machine; it differs in: ${names}`))
  }
  for (const { suite, improvements, comparisons = [], uncompared = [] } of comparison.suites) {
    for (const { test, metric, change } of improvements) {
      lines.push(colours.good(`better: ${suite} › ${test} ${metric} ${percent(change)}`))
    }
    for (const { test, metric, change, outcome } of comparisons) {
      if (outcome !== 'inconclusive') continue
      lines.push(`inconclusive: ${suite} › ${test} ${metric} ${percent(change)}; more --runs tell`)
    }
    for (const test of uncompared) lines.push(`nothing to compare with: ${suite} › ${test}`)
  }
  for (const { suite, test, metric, timestamp, change } of comparison.changePoints) {
    const by = change === undefined ? '' : ` by ${percent(change)}`
    lines.push(`changed${by} on ${new Date(timestamp).toISOString()}: ${suite} › ${test} ${metric}`)
  }
  const { detected, inconclusive } = comparison
  if (!detected && !inconclusive) lines.push(colours.good('No regression against the baseline'))
  return lines
}

/** @param {types.BenchmarkTestResult} test */
function averageOf({ statistics: { duration }, threshold = 0 }) {
  return `${time(duration?.avg ?? 0)} on average, above ${time(threshold)}`
}

/** The table of what is slower than its threshold; nothing if nothing is. @param {types.BenchmarkReport} report */
function tooSlow({ suites }) {
  const rows = suites.flatMap(({ name: suite, tests }) =>
    tests.flatMap(({ name, slow, threshold = 0, statistics: { duration } }) =>
      slow && duration ? [[`${suite} › ${name}`, time(duration.avg), time(threshold)]] : [],
    ),
  )
  return rows.length > 0 && columns([['Test', 'Average', 'Threshold'], ...rows])
}

/** The table of what got slower. @param {types.BaselineComparison} comparison */
function slower({ suites }) {
  const rows = suites.flatMap(({ suite, issues, comparisons = [] }) =>
    issues.map(({ test, metric, change, threshold }) => {
      const known = comparisons.find((one) => one.test === test && one.metric === metric)
      return [
        `${suite} › ${test}`,
        metric,
        percent(change),
        percent(threshold),
        known?.interval ? known.interval.map(percent).join(' to ') : '–',
        known?.pValue === undefined ? '–' : known.pValue.toFixed(3),
      ]
    }),
  )
  return columns([['Test', 'Metric', 'Change', 'Threshold', '95 % interval', 'p'], ...rows])
}

module.exports = { slower, text, tooSlow }
