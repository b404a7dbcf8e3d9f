// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { promised, settler } = require('../internal/settle.js')
const { wellFormed } = require('../internal/well-formed.js')
const { machine } = require('./machine.js')
const { settingsOf } = require('./options.js')

/** @import * as types from '../performance-benchmark.js' */

/** @typedef {'json' | 'html' | 'markdown' | 'junit'} Format */

/**
 * @param {types.PerformanceBenchmark} benchmark
 * @returns {types.BenchmarkReport}
 */
function generate({ results, loadTests, comparison, options }) {
  const tests = results.flatMap((suite) => suite.tests)
  const passed = tests.every(({ status, slow }) => status === 'completed' && !slow)
  return {
    schemaVersion: 1,
    timestamp: Date.now(),
    summary: {
      totalSuites: results.length,
      totalTests: tests.length,
      overallStatus: passed && !comparison?.detected ? 'passed' : 'failed',
    },
    suites: results,
    loadTests,
    ...(comparison && { comparison }),
    configuration: settingsOf(options),
    systemInfo: {
      nodeVersion: process.version,
      platform: process.platform,
      arch: process.arch,
      memory: process.memoryUsage(),
      machine: machine(),
    },
  }
}

/**
 * The report as text.
 *
 * @param {types.BenchmarkReport} report
 * @param {Format} format
 */
function render(report, format) {
  return format === 'json'
    ? JSON.stringify(report, null, 2)
    : native.renderBenchmarkReport(wellFormed(report), format)
}

/**
 * Writes a benchmark's report; resolves to the path.
 *
 * @param {string} path
 * @param {types.PerformanceBenchmark} benchmark
 * @param {Format} format
 */
async function write(path, benchmark, format) {
  args.string('path', path)
  const report = benchmark.generateReport()
  if (format === 'json') return publish(path, render(report, format))
  const json = wellFormed(report)
  await traced(
    promised((ticket) => native.saveBenchmarkReport(settler, ticket, path, json, format)),
  )
  return path
}

/** Writes text whole or not at all; resolves to the path. @param {string} path @param {string} text */
async function publish(path, text) {
  await traced(promised((ticket) => native.saveReport(settler, ticket, path, text)))
  return path
}

module.exports = { generate, publish, render, write }
