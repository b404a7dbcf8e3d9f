// What the harness itself costs an iteration, and how fast the load test is, each beside a baseline row.
// The load test's server runs in a process of its own: node bench/benchmark.mjs
import { fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'

const ROUNDS = 5
const ITERATIONS = 100_000
const REPLY = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!')

if (process.argv[2] === 'serve') serve()
else await main()

/** One fixed answer to each arriving piece: a request is never longer than one. */
function serve() {
  const server = net.createServer((socket) => {
    socket.setNoDelay()
    socket.on('data', () => socket.write(REPLY))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1', () => process.send?.(server.address()))
}

async function main() {
  console.table(await harness())
  console.table(await load())
}

async function harness() {
  const rows = []
  for (const [name, fn] of /** @type {const} */ ([
    ['empty function', () => {}],
    ['empty async function', async () => {}],
  ])) {
    rows.push({
      name,
      'run(), µs an iteration': await best(async () => {
        const benchmark = new PerformanceBenchmark({ silent: true, iterations: ITERATIONS })
        const { tests } = await benchmark.run({ name, tests: [{ name, fn }] })
        return tests[0].totalTime
      }),
      'bare loop, µs an iteration': await best(async () => {
        const start = performance.now()
        for (let iteration = 0; iteration < ITERATIONS; iteration++) await fn()
        return performance.now() - start
      }),
    })
  }
  return rows
}

/** @param {() => Promise<number>} measure milliseconds of all iterations */
async function best(measure) {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) least = Math.min(least, await measure())
  return Number(((least * 1000) / ITERATIONS).toFixed(3))
}

async function load() {
  const server = fork(fileURLToPath(import.meta.url), ['serve'])
  const [{ port }] = await once(server, 'message')
  const rows = []
  for (const concurrency of [10, 50]) {
    rows.push({ concurrency, ...(await native(port, concurrency)) })
    rows.push({ concurrency, ...(await agent(port, concurrency)) })
  }
  server.kill()
  return rows
}

/** @param {number} port @param {number} concurrency */
async function native(port, concurrency) {
  const before = process.cpuUsage()
  const { metrics } = await new PerformanceBenchmark({ silent: true }).runLoadTest({
    name: 'load',
    target: `http://127.0.0.1:${port}/`,
    duration: 3000,
    rampUp: 0,
    concurrency,
  })
  const { user, system } = process.cpuUsage(before)
  return {
    client: 'runLoadTest',
    'requests/s': Math.round(metrics.throughput),
    failed: metrics.failedRequests,
    'CPU µs/request': Number(((user + system) / metrics.totalRequests).toFixed(2)),
  }
}

/**
 * The baseline: the same closed loop over Node's own client.
 *
 * @param {number} port
 * @param {number} concurrency
 */
async function agent(port, concurrency) {
  const keepAlive = new http.Agent({ keepAlive: true, maxSockets: concurrency })
  const before = process.cpuUsage()
  const start = performance.now()
  let requests = 0
  const worker = async () => {
    while (performance.now() - start < 3000) {
      const request = http.get({ port, host: '127.0.0.1', agent: keepAlive })
      const [response] = await once(request, 'response')
      await once(response.resume(), 'end')
      requests++
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(before)
  keepAlive.destroy()
  return {
    client: 'node:http',
    'requests/s': Math.round(requests / seconds),
    failed: 0,
    'CPU µs/request': Number(((user + system) / requests).toFixed(2)),
  }
}
