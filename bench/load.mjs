// @ts-check

// The load test beside its peers: HTTP/1.1 and HTTP/2 as fast as it is answered, and HTTP/1.1 at a rate. The same
// fixed-reply server (`examples/fixed_reply.rs`, a process and, with `taskset`, a core of its own), the generators on
// another core, in turns, in reverse order every other round. Peers that are not installed are left out and named.
// Arguments: seconds a run, rounds.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'
import { peer } from './peer.mjs'

const self = fileURLToPath(import.meta.url)
const root = join(import.meta.dirname, '..')

/** @typedef {{ requests: number, seconds: number, cpu: number, p50: number, p99: number }} Run times in seconds; NaN if unknown */
/** @typedef {{ port: number, concurrency: number, seconds: number, http2?: boolean, rate?: number }} Load */
/** @typedef {(load: Load) => Promise<Run>} Generator */

/** The peer that the others are measured by is the second. */
const COMPARISONS = [
  { title: 'HTTP/1.1', generators: [ours, wrk, oha, autocannon], settings: {} },
  { title: 'HTTP/2', generators: [ours, h2load, oha], settings: { http2: true } },
  { title: 'At 20,000 a second', generators: [ours, oha, autocannon], settings: { rate: 20_000 } },
]

if (process.argv[2] === 'generate') await generate()
else await main(Number(process.argv[2] ?? 3), Number(process.argv[3] ?? 5))

/** @param {number} seconds @param {number} rounds */
async function main(seconds, rounds) {
  const server = await startServer()
  const missing = [wrk, oha, h2load].filter(({ name }) => !installed(name))
  for (const { name } of missing) console.log(`${name} is not installed: left out`)
  for (const { title, generators, settings } of COMPARISONS) {
    const present = generators.filter((generator) => !missing.includes(generator))
    for (const concurrency of [10, 50]) {
      /** @type {Map<string, (Run & { missed: number })[]>} */
      const runs = new Map(present.map(({ name }) => [name, []]))
      for (let round = 0; round < rounds; round++) {
        for (const generator of round % 2 ? present.toReversed() : present) {
          const before = await server.answered()
          const run = await generator({ port: server.port, concurrency, seconds, ...settings })
          const missed = (await server.answered()) - before - run.requests
          runs.get(generator.name)?.push({ ...run, missed })
        }
      }
      console.log(
        `\n${title}, ${concurrency} connections, median of ${rounds} runs of ${seconds} s`,
      )
      console.table(table(runs, present[1]?.name))
    }
  }
  server.stop()
}

/** @param {Map<string, (Run & { missed: number })[]>} runs @param {string} peer */
function table(runs, peer) {
  const median = (/** @type {number[]} */ values) =>
    values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
  const figures = [...runs].map(([generator, runs]) => {
    const of = (/** @type {(run: Run & { missed: number }) => number} */ figure) =>
      median(runs.map(figure))
    return {
      generator,
      rate: of(({ requests, seconds }) => requests / seconds),
      cpu: of(({ cpu, requests }) => (cpu / requests) * 1e6),
      p50: of(({ p50 }) => p50 * 1e6),
      p99: of(({ p99 }) => p99 * 1e6),
      missed: Math.max(...runs.map(({ missed }) => Math.abs(missed))),
    }
  })
  const other = figures.find(({ generator }) => generator === peer)
  return figures.map(({ generator, rate, cpu, p50, p99, missed }) => ({
    generator,
    'requests/s': Math.round(rate),
    ...(other && { [`rate ÷ ${peer}`]: Number((rate / other.rate).toFixed(2)) }),
    'CPU µs/request': Number(cpu.toFixed(2)),
    ...(other && { [`CPU ÷ ${peer}`]: Number((cpu / other.cpu).toFixed(2)) }),
    'p50 µs': Math.round(p50),
    'p99 µs': Math.round(p99),
    // What a peer has in flight when it stops is answered and not counted.
    'most off the server’s count': missed,
  }))
}

async function startServer() {
  const build = ['build', '--release', '--locked', '--example', 'fixed_reply']
  execFileSync('cargo', build, { cwd: root, stdio: 'inherit' })
  const binary = join(root, 'target/release/examples/fixed_reply')
  const [command, ...args] = pinned(0, [binary])
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const number = async () => Number((await lines.next()).value)
  return {
    port: await number(),
    answered() {
      child.stdin.write('\n')
      return number()
    },
    stop: () => child.stdin.end(),
  }
}

/**
 * On a core of its own where that can be asked for.
 *
 * @param {number} core
 * @param {string[]} command
 */
function pinned(core, command) {
  return installed('taskset') ? ['taskset', '-c', String(core), ...command] : command
}

/** @param {string} command */
function installed(command) {
  return spawnSync(command, ['--version']).error === undefined
}

/** Runs a generator on its core; what it wrote, and the seconds of processor time it took. @param {string[]} command */
async function run(command) {
  const child = spawn('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@"', '-', ...pinned(1, command)])
  let [output, errors] = ['', '']
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (errors += text))
  await once(child, 'close')
  const times = errors.trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
  return { output, cpu: times[0] + times[1] }
}

/** @type {Generator} */
async function ours(load) {
  return script('ours', load)
}

/** @type {Generator} */
async function autocannon(load) {
  return script('autocannon', load)
}

/** @param {string} name @param {Load} load @returns {Promise<Run>} */
async function script(name, load) {
  const command = [process.execPath, self, 'generate', name, JSON.stringify(load)]
  return JSON.parse((await run(command)).output)
}

/** @type {Generator} */
async function wrk({ port, concurrency, seconds }) {
  const args = ['-t1', `-c${concurrency}`, `-d${seconds}`, '--latency', `http://127.0.0.1:${port}/`]
  const { output, cpu } = await run(['wrk', ...args])
  const [, requests, took] = output.match(/(\d+) requests in ([\d.]+)s/) ?? []
  const percentile = (/** @type {number} */ rank) => {
    const [, value, unit] = output.match(RegExp(`${rank}% +([\\d.]+)(us|ms|s)`)) ?? []
    return Number(value) * { us: 1e-6, ms: 1e-3, s: 1 }[/** @type {'us'} */ (unit)]
  }
  const [p50, p99] = [percentile(50), percentile(99)]
  return { requests: Number(requests), seconds: Number(took), cpu, p50, p99 }
}

/** One stream a connection, as ours has. @type {Generator} */
async function h2load({ port, concurrency, seconds }) {
  const args = ['-t1', `-c${concurrency}`, '-m1', `-D${seconds}`, `http://127.0.0.1:${port}/`]
  const { output, cpu } = await run(['h2load', ...args])
  const [, took] = output.match(/finished in ([\d.]+)s/) ?? []
  const [, requests] = output.match(/(\d+) succeeded/) ?? []
  return { requests: Number(requests), seconds: Number(took), cpu, p50: NaN, p99: NaN }
}

/** @type {Generator} */
async function oha({ port, concurrency, seconds, http2, rate }) {
  const args = ['--no-tui', '--output-format', 'json', '-c', `${concurrency}`, '-z', `${seconds}s`]
  if (http2) args.push('--http2', '-p', '1')
  if (rate !== undefined) args.push('-q', `${rate}`, '--latency-correction')
  const { output, cpu } = await run(['oha', ...args, `http://127.0.0.1:${port}/`])
  const { summary, latencyPercentiles } = JSON.parse(output)
  const requests = Math.round(summary.requestsPerSec * summary.total)
  const { p50, p99 } = latencyPercentiles
  return { requests, seconds: summary.total, cpu, p50, p99 }
}

/** In a process of its own: one run, told on standard output. */
async function generate() {
  const [name, load] = process.argv.slice(3)
  const before = process.cpuUsage()
  const run = await (name === 'ours' ? loadTest : cannon)(JSON.parse(load))
  // Without what Node takes to start and to load its modules.
  const { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ ...run, cpu: (user + system) / 1e6 }))
}

/** @param {Load} load */
async function loadTest({ port, concurrency, seconds, http2, rate }) {
  const config = {
    name: 'load',
    target: `http://127.0.0.1:${port}/`,
    duration: seconds * 1000,
    rampUp: 0,
    concurrency,
    http2,
    rate,
  }
  const { metrics, duration } = await new PerformanceBenchmark({ silent: true }).runLoadTest(config)
  const { p50, p99 } = metrics.responseTimePercentiles
  const requests = metrics.successfulRequests
  return { requests, seconds: duration / 1000, p50: p50 / 1000, p99: p99 / 1000 }
}

/** @param {Load} load */
async function cannon({ port, concurrency: connections, seconds: duration, rate: overallRate }) {
  const { default: autocannon } = await peer('autocannon')
  const url = `http://127.0.0.1:${port}/`
  const result = await autocannon({ url, connections, duration, overallRate })
  const { requests, latency, duration: seconds } = result
  return { requests: requests.total, seconds, p50: latency.p50 / 1000, p99: latency.p99 / 1000 }
}
