// @ts-check
'use strict'

const { readFile } = require('node:fs/promises')
const { validateHeaderName, validateHeaderValue } = require('node:http')
const { parseArgs } = require('node:util')
const { PerformanceBenchmark } = require('../performance-benchmark.js')
const { palette } = require('./colour.js')
const { isWrongArgument, runCommand } = require('./command.js')
const { liveLine } = require('./live-line.js')
const { columns, rate, time } = require('./figures.js')
const { bytes } = require('./summary.js')

/** @import * as types from '../performance-benchmark.js' */

const HELP = `Usage: aiwf-native load <url> [options]

Sends requests to a URL and shows how it answers.

Options:
  -d, --duration <s>      seconds (default 10)
  -c, --concurrency <n>   connections (default 10)
  -r, --rate <n>          requests a second, whoever answers; as many as are answered by default
  --ramp-up <s>           seconds over which connections, or the rate, are added (default 0)
  -n, --max-requests <n>  end after so many
  -m, --method <name>     (default GET)
  -H, --header <text>     'Name: value', as often as needed
  -b, --body <text>       or @file
  --http2                 speak HTTP/2
  --timeout <s>           what a request may take, in seconds (default 30)
  --expect <status>       a status that is a success, as often as needed; by default all below 400
  --max-p99 <ms>          fail if the 99th percentile of the response time is above
  --max-errors <share>    fail if more requests fail, such as 0.01
  --json                  print the result as JSON
  -h, --help              show this help

Exit code: 0 done, 1 nothing succeeded or a limit was passed, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  duration: { type: 'string', short: 'd', default: '10' },
  concurrency: { type: 'string', short: 'c' },
  rate: { type: 'string', short: 'r' },
  'ramp-up': { type: 'string', default: '0' },
  'max-requests': { type: 'string', short: 'n' },
  method: { type: 'string', short: 'm' },
  header: { type: 'string', short: 'H', multiple: true, default: [] },
  body: { type: 'string', short: 'b' },
  http2: { type: 'boolean' },
  timeout: { type: 'string', default: '30' },
  expect: { type: 'string', multiple: true },
  'max-p99': { type: 'string' },
  'max-errors': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
})

/**
 * `aiwf-native load`
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function load(args) {
  const isMisuse = isWrongArgument
  return runCommand('load', { help: HELP, parse: () => parse(args), run, isMisuse })
}

/** @param {NonNullable<ReturnType<typeof parse>>} call */
async function run({ config, limits, json }) {
  const line = liveLine(process.stderr)
  const whole = (config.duration ?? 0) + (config.rampUp ?? 0)
  const onProgress = (/** @type {types.LoadTestPoint} */ point) =>
    line.show(
      point.time / whole,
      `${rate(point.throughput)}, p99 ${time(point.p99)}, ${point.errors} failed`,
    )
  const body = config.body?.startsWith('@') ? await readFile(config.body.slice(1)) : config.body
  const benchmark = new PerformanceBenchmark({ silent: true })
  let result
  try {
    result = await benchmark.runLoadTest({ ...config, body, onProgress })
  } finally {
    line.clear()
  }
  console.log(json ? JSON.stringify(result, null, 2) : text(result))
  return judge(result, limits)
}

/** @param {string[]} args */
function parse(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
  if (values.help) return undefined
  if (positionals.length !== 1) throw new Error('expected one URL')
  const seconds = (/** @type {'duration' | 'ramp-up' | 'timeout'} */ name) =>
    1000 * number(name, values[name])
  const optional = (
    /** @type {'concurrency' | 'rate' | 'max-requests' | 'max-p99' | 'max-errors'} */ name,
  ) => (values[name] === undefined ? undefined : number(name, values[name]))
  const { method, body, http2, json } = values
  return {
    json,
    config: {
      name: withoutSecrets(positionals[0]),
      target: positionals[0],
      duration: seconds('duration'),
      rampUp: seconds('ramp-up'),
      timeout: seconds('timeout'),
      concurrency: optional('concurrency'),
      rate: optional('rate'),
      maxRequests: optional('max-requests'),
      headers: values.header.map(headerOf),
      expectedStatus: values.expect?.map((status) => number('expect', status)),
      method,
      body,
      http2,
    },
    limits: { p99: optional('max-p99'), errors: optional('max-errors') },
  }
}

/** @param {string} name @param {string} text */
function number(name, text) {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) throw new Error(`--${name} must be a number, not '${text}'`)
  return value
}

/** The address without user and password, for it is shown. @param {string} address */
function withoutSecrets(address) {
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  if (!url.username && !url.password) return address
  url.username = ''
  url.password = ''
  return url.href
}

/** @param {string} text @returns {[string, string]} */
function headerOf(text) {
  const colon = text.indexOf(':')
  if (colon < 1) throw new Error("--header must be 'Name: value'")
  const [name, value] = [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
  validateHeaderName(name)
  validateHeaderValue(name, value)
  return [name, value]
}

/** @param {types.LoadTestResult} result */
function text({ metrics, duration, config }) {
  const { responseTime, errors, bytes: moved } = metrics
  const failures = Object.entries(errors).filter(([, count]) => count > 0)
  const colours = palette(process.stdout)
  const lines = [
    ['Requests', `${metrics.totalRequests} in ${time(duration)}`],
    ['Rate', rate(metrics.throughput)],
    ['Connections', String(metrics.connections)],
    ['Bytes', `${bytes(moved.sent)} sent, ${bytes(moved.received)} received`],
  ].map(([name, value]) => `${name.padEnd(14)} ${value}`)
  if (metrics.scheduledRequests !== undefined) {
    const { scheduledRequests: due, totalRequests: sent } = metrics
    lines.push(`${'Due'.padEnd(14)} ${due} at ${rate(config.rate ?? 0)}, ${due - sent} not sent`)
  }
  if (failures.length > 0) {
    const kinds = failures.map(([kind, count]) => `${count} ${kind}`).join(', ')
    const share = (metrics.errorRate * 100).toFixed(2)
    lines.push(
      colours.bad(`${'Failed'.padEnd(14)} ${metrics.failedRequests} (${share} %): ${kinds}`),
    )
  }
  const { min, average, p50, p90, p95, p99, p999, max } = responseTime
  const figures = { Min: min, Average: average, p50, p90, p95, p99, 'p99.9': p999, Max: max }
  const table = [Object.keys(figures), Object.values(figures).map(time)]
  return [
    ...lines,
    '',
    columns(table.map((row, index) => [index ? 'Response time' : '', ...row])),
  ].join('\n')
}

/**
 * @param {types.LoadTestResult} result
 * @param {{ p99?: number, errors?: number }} limits
 */
function judge({ metrics }, limits) {
  const { p99 } = metrics.responseTime
  const passed = []
  if (metrics.successfulRequests === 0) passed.push('no request succeeded')
  if (limits.p99 !== undefined && p99 > limits.p99) {
    passed.push(`the 99th percentile is ${time(p99)}, above ${time(limits.p99)}`)
  }
  if (limits.errors !== undefined && metrics.errorRate > limits.errors) {
    passed.push(`a share of ${metrics.errorRate.toFixed(4)} failed, above ${limits.errors}`)
  }
  for (const reason of passed) console.error(`aiwf-native: ${reason}`)
  return passed.length > 0 ? 1 : 0
}

module.exports = { load }
