// @ts-check
'use strict'

const { parseArgs } = require('node:util')
const args = require('../internal/arguments.js')
const { PerformanceBenchmark } = require('../performance-benchmark.js')
const { MOST_RUNS } = require('../performance-benchmark/compare.js')
const { publish, render } = require('../performance-benchmark/report.js')
const { palette } = require('./colour.js')
const { runCommand } = require('./command.js')
const { liveLine } = require('./live-line.js')
const { columns, heap, percent, time } = require('./figures.js')

/** @import * as types from '../performance-benchmark.js' */

const FORMATS = /** @type {const} */ (['text', 'json', 'html', 'markdown', 'junit'])

const HELP = `Usage: aiwf-native bench <suite.js> ... [options]

Runs the benchmark suites that modules export: { name, tests: [{ name, fn }] }, as the default, by name, or in a list.

Options:
  --runs <n>              processes, one after the other (default 1); from 4 on regressions are told from chance
  --baseline <file>       compare each test with its newest result in this file; --save may make it
  --max-duration <ms>     what a test may take on average, unless it or its suite has a threshold of its own
  --save <file>           add the results to this file, unless one is a regression; it is made if there is none
  --format <name>         ${FORMATS.join(', ')} (default text)
  --json                  the same as --format json
  --output <file>         write the report there instead of to standard output
  --iterations <n>        timings a test (default 100)
  --time <ms>             time each test for so long instead, short calls in batches
  --warmup-iterations <n> calls before those (default 10)
  --steady                warm up until a steady state is reached
  --timeout <ms>          what a call may take (default 30000)
  --histogram             with the format text: how the timings are spread
  -h, --help              show this help

Exit code: 0 done, 1 a test failed or is slower than its threshold or the baseline, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  runs: { type: 'string' },
  baseline: { type: 'string' },
  'max-duration': { type: 'string' },
  save: { type: 'string' },
  format: { type: 'string' },
  json: { type: 'boolean' },
  output: { type: 'string' },
  iterations: { type: 'string' },
  time: { type: 'string' },
  'warmup-iterations': { type: 'string' },
  steady: { type: 'boolean' },
  timeout: { type: 'string' },
  histogram: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
})

/**
 * `aiwf-native bench`
 *
 * @param {string[]} words
 * @returns {Promise<number>} the exit code
 */
async function bench(words) {
  return runCommand('bench', { help: HELP, parse: () => parse(words), run })
}

/** @param {string[]} words */
function parse(words) {
  const { values, positionals: files } = parseArgs({
    args: words,
    options: OPTIONS,
    allowPositionals: true,
  })
  if (values.help) return undefined
  const number = (
    /** @type {'runs' | 'iterations' | 'time' | 'warmup-iterations' | 'timeout'} */ name,
  ) => {
    const text = values[name]
    if (text === undefined) return undefined
    if (!/^\d+$/.test(text)) throw new Error(`--${name} must be a whole number, not '${text}'`)
    return Number(text)
  }
  const { format: wanted = values.json ? 'json' : 'text' } = values
  const format = FORMATS.find((known) => known === wanted)
  if (!format) throw new Error(`--format must be one of ${FORMATS.join(', ')}, not '${wanted}'`)
  if (files.length === 0) throw new Error('expected the file of a suite')
  const { 'max-duration': maxDuration } = values
  if (maxDuration !== undefined && !/^\d+(\.\d+)?$/.test(maxDuration)) {
    throw new Error(`--max-duration must be a number of milliseconds, not '${maxDuration}'`)
  }
  const runs = args.integer('--runs', number('runs') ?? 1, 1, MOST_RUNS)
  const benchmark = new PerformanceBenchmark({
    silent: true,
    iterations: number('iterations'),
    warmupIterations: number('warmup-iterations'),
    time: number('time'),
    timeout: number('timeout'),
    warmup: values.steady ? 'steady' : undefined,
    threshold: maxDuration === undefined ? undefined : Number(maxDuration),
  })
  const { baseline, save, output, histogram } = values
  return { files, runs, format, benchmark, baseline, save, output, histogram }
}

/** @typedef {NonNullable<ReturnType<typeof parse>>} Call */

/** @param {Call} call */
async function run({ files, runs, format, benchmark, baseline, save, output, histogram }) {
  // A file that cannot be read is better known before the measurement than after it.
  const saved = save === undefined ? undefined : await readSaved(benchmark, save)
  const isFirst = baseline !== undefined && baseline === save && !saved
  const known =
    baseline === undefined || isFirst ? undefined : await benchmark.loadBaseline(baseline)
  const line = liveLine(process.stderr)
  try {
    for (const file of files) {
      await benchmark.runFile(file, { runs, onProgress: (news) => line.show(...progress(news)) })
    }
  } finally {
    line.clear()
  }
  const comparison = known && (await benchmark.compareToBaseline(known))
  const report = benchmark.generateReport()
  const shown =
    format === 'text'
      ? text(benchmark, report, {
          isFirst,
          histogram,
          colours: palette(output ? undefined : process.stdout),
        })
      : render(report, format)
  if (output === undefined) console.log(shown)
  else await publish(output, shown)
  const tables = [tooSlow(report), comparison?.detected && slower(comparison)].filter(Boolean)
  if (tables.length > 0) {
    console.error(['Performance regression detected', ...tables].join('\n\n'))
  }
  if (save !== undefined) {
    if (tables.length === 0) await benchmark.saveBaseline(save)
    else console.error(`\nResults not saved to ${save}: a regression is no baseline`)
  }
  return report.summary.overallStatus === 'failed' ? 1 : 0
}

/** What is in the file so far; nothing if there is none. @param {PerformanceBenchmark} benchmark @param {string} file */
async function readSaved(benchmark, file) {
  try {
    return await benchmark.loadBaseline(file)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error
    return undefined
  }
}

/** @param {types.BenchmarkProgress} news @returns {[number, string]} */
function progress({ suite, test, index, tests, run = 0, runs = 1, iterations }) {
  const which = runs > 1 ? `run ${run + 1} of ${runs}, ` : ''
  return [(run + index / tests) / runs, `${which}${suite} › ${test}: ${iterations} iterations`]
}

/**
 * @param {PerformanceBenchmark} benchmark
 * @param {types.BenchmarkReport} report
 * @param {{ isFirst: boolean, histogram?: boolean, colours: ReturnType<typeof palette> }} style
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

/** @param {types.BaselineComparison} comparison @param {ReturnType<typeof palette>} colours */
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

module.exports = { bench }
