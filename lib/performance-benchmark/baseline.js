// @ts-check
'use strict'

// Results in files, to compare later ones with: of each test the newest is its baseline, those before are its history.

const { readFile } = require('node:fs/promises')
const { inspect } = require('node:util')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { METRICS, compare } = require('./compare.js')
const { differences, machine } = require('./machine.js')
const { publish } = require('./report.js')

/** @import * as types from '../performance-benchmark.js' */

/** Of the file's form; another one is refused. */
const VERSION = 1

/** The latest moment a date can have. */
const END_OF_TIME = 8.64e15

/**
 * Adds results to the file at `path`, which is made if there is none.
 *
 * @param {string} path
 * @param {types.BenchmarkSuiteResult[]} results
 * @param {types.SaveBaselineOptions} options
 */
async function save(path, results, { keep = 200 }) {
  args.string('path', path)
  args.integer('keep', keep, 1)
  const known = await load(path).catch((error) => {
    if (error.code === 'ENOENT') return { entries: [] }
    throw error
  })
  const entries = [...known.entries, entryOf(results)].slice(-keep)
  return publish(path, JSON.stringify({ version: VERSION, entries }, null, 1))
}

/**
 * @param {string} path
 * @returns {Promise<types.BenchmarkBaseline>}
 */
async function load(path) {
  const text = await traced(readFile(args.string('path', path), 'utf8'))
  let baseline
  try {
    baseline = JSON.parse(text)
  } catch (error) {
    throw invalid(path, `it is not JSON: ${/** @type {Error} */ (error).message}`)
  }
  return checked(baseline, path)
}

/**
 * @param {any} baseline
 * @param {string} [path] of the file it is from
 * @returns {types.BenchmarkBaseline}
 */
function checked(baseline, path) {
  if (baseline?.version !== VERSION) {
    const found = inspect(baseline?.version)
    throw invalid(path, `its version is ${found}, this package reads ${VERSION}`)
  }
  if (!Array.isArray(baseline.entries) || !baseline.entries.every(isEntry)) {
    throw invalid(path, 'an entry lacks its time, its machine or its suites')
  }
  return baseline
}

/** @param {any} entry */
function isEntry(entry) {
  return (
    Math.abs(entry?.timestamp) <= END_OF_TIME &&
    typeof entry.machine === 'object' &&
    entry.machine !== null &&
    Array.isArray(entry.suites) &&
    entry.suites.every(
      (/** @type {any} */ suite) =>
        isNamed(suite) && Array.isArray(suite.tests) && suite.tests.every(isNamed),
    )
  )
}

/** @param {any} value */
function isNamed(value) {
  return typeof value?.name === 'string'
}

/** @param {string | undefined} path @param {string} reason */
function invalid(path, reason) {
  const what = path === undefined ? 'This' : `'${path}'`
  const error = new Error(
    `${what} is no benchmark baseline: ${reason}. saveBaseline and 'bench --save' write one`,
  )
  return Object.assign(error, { code: 'ERR_AIWF_INVALID_BASELINE' }, path !== undefined && { path })
}

/**
 * The last result of each test; suites of one name are one.
 *
 * @param {types.BenchmarkSuiteResult[]} results
 */
function latest(results) {
  /** @type {Map<string, Map<string, types.BenchmarkTestResult>>} */
  const suites = new Map()
  for (const { name, tests } of results) {
    const known = suites.get(name) ?? new Map()
    for (const test of tests) known.set(test.name, test)
    suites.set(name, known)
  }
  return Array.from(suites, ([name, tests]) => ({ name, tests: [...tests.values()] }))
}

/**
 * @param {types.BenchmarkSuiteResult[]} results
 * @returns {types.BaselineEntry}
 */
function entryOf(results) {
  const suites = latest(results).map(({ name, tests }) => ({
    name,
    tests: tests
      .filter(({ status }) => status === 'completed')
      .map((test) => ({ name: test.name, statistics: centres(test), runs: test.runs })),
  }))
  return { timestamp: Date.now(), machine: machine(), suites }
}

/** @param {types.BenchmarkTestResult} test */
function centres({ statistics }) {
  return Object.fromEntries(
    METRICS.flatMap((metric) => {
      const known = statistics[metric]
      return known ? [[metric, { avg: known.avg, median: known.median }]] : []
    }),
  )
}

/**
 * @param {types.BenchmarkSuiteResult[]} results
 * @param {types.BenchmarkBaseline} baseline
 * @returns {types.BaselineComparison}
 */
function compareTo(results, baseline) {
  const { entries } = checked(baseline)
  const current = entryOf(results)
  /** @type {Set<keyof types.BenchmarkMachine>} */
  const machineDifferences = new Set()
  const suites = latest(results).map(({ name: suite, tests }) => {
    const others = tests.flatMap(({ name }) => {
      const newest = entries.findLast((entry) => testOf(entry, suite, name))
      if (!newest) return []
      for (const known of differences(current.machine, newest.machine)) {
        machineDifferences.add(known)
      }
      return testOf(newest, suite, name) ?? []
    })
    return { suite, ...compare({ tests }, { tests: others }, { measured: true }) }
  })
  return {
    detected: suites.some(({ detected }) => detected),
    inconclusive: suites.some(isInconclusive),
    suites,
    machineDifferences: [...machineDifferences],
    changePoints: changePoints([...entries, current]),
  }
}

/** Whether something had no counterpart, or may have changed by chance. @param {types.PerformanceRegression} suite */
function isInconclusive({ comparisons = [], uncompared = [] }) {
  return uncompared.length > 0 || comparisons.some(({ outcome }) => outcome === 'inconclusive')
}

/**
 * Of every metric of every test of the newest entry, through all entries of the same machine.
 *
 * @param {types.BaselineEntry[]} entries
 * @returns {types.BenchmarkChangePoint[]}
 */
function changePoints(entries) {
  const newest = entries.at(-1)
  if (!newest) return []
  const alike = entries.filter((entry) => differences(newest.machine, entry.machine).length === 0)
  return newest.suites.flatMap((suite) =>
    suite.tests.flatMap((test) =>
      METRICS.flatMap((metric) => {
        const series = alike.flatMap((entry) => {
          const value = testOf(entry, suite.name, test.name)?.statistics?.[metric]?.median
          return Number.isFinite(value) ? [{ timestamp: entry.timestamp, value }] : []
        })
        const values = Float64Array.from(series, ({ value }) => /** @type {number} */ (value))
        return native.benchmarkChangePoints(values).map(({ index, before, after, pValue }) => ({
          suite: suite.name,
          test: test.name,
          metric,
          timestamp: series[index].timestamp,
          runsSince: series.length - index,
          before,
          after,
          ...(before > 0 && { change: after / before - 1 }),
          pValue,
        }))
      }),
    ),
  )
}

/** @param {types.BaselineEntry} entry @param {string} suite @param {string} test */
function testOf({ suites }, suite, test) {
  return suites
    .filter(({ name }) => name === suite)
    .flatMap(({ tests }) => tests)
    .find(({ name }) => name === test)
}

module.exports = { save, load, compareTo }
