// @ts-check
'use strict'

const { resolve } = require('node:path')
const { parseArgs } = require('node:util')
const args = require('../internal/arguments.js')
const { PerformanceBenchmark } = require('../performance-benchmark.js')
const { MOST_RUNS } = require('../performance-benchmark/compare.js')
const { publish, render } = require('../performance-benchmark/report.js')
const { slower, text, tooSlow } = require('./bench-text.js')
const { palette } = require('./colour.js')
const { runCommand } = require('./command.js')
const { liveLine } = require('./live-line.js')

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
  const isSame = baseline !== undefined && save !== undefined && resolve(baseline) === resolve(save)
  const isFirst = isSame && !saved
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

module.exports = { bench }
