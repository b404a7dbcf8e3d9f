// @ts-check
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'

/** @import * as types from '../lib/performance-benchmark.js' */

const benchmark = new PerformanceBenchmark({ silent: true })

/** @param {Partial<types.LoadTestConfig> & Pick<types.LoadTestConfig, 'target'>} config */
const load = (config) =>
  benchmark.runLoadTest({ name: 'load', duration: 60_000, rampUp: 0, concurrency: 3, ...config })

/**
 * Runs `use` with the URL of a server on loopback.
 *
 * @template T
 * @param {net.Server} server
 * @param {(url: string) => Promise<T>} use
 */
async function serving(server, use) {
  const sockets = new Set()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = /** @type {net.AddressInfo} */ (server.address())
  try {
    return await use(`http://127.0.0.1:${port}/`)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

/**
 * Resolves once so many clients have connected. A server that answers nobody before has a request of each of them.
 *
 * @param {net.Server} server
 * @param {number} count
 */
const connected = (server, count) =>
  new Promise((resolve) => {
    server.on('connection', () => {
      if (--count === 0) resolve(undefined)
    })
  })

/** A server that treats each arriving request as `answer` says. @param {(socket: net.Socket) => void} answer */
const raw = (answer) =>
  net.createServer((socket) => {
    socket.on('data', () => answer(socket))
  })

describe('a URL', () => {
  test('gets exactly the requests that are counted', async () => {
    /** @type {http.IncomingMessage[]} */
    const seen = []
    const server = http.createServer((request, response) => {
      seen.push(request)
      request.resume().on('end', () => all.then(() => response.end('hello')))
    })
    const all = connected(server, 3)
    const result = await serving(server, (url) =>
      load({
        target: `${url}path?query`,
        maxRequests: 200,
        method: 'post',
        headers: { 'X-Name': 'value' },
        body: 'body',
      }),
    )
    const { metrics, timeline, duration, config } = result
    assert.equal(seen.length, 200)
    const { method, url, headers } = seen[0]
    assert.deepEqual([method, url, headers['x-name']], ['POST', '/path?query', 'value'])
    assert.equal(headers['content-length'], '4')
    assert.deepEqual([metrics.totalRequests, metrics.successfulRequests], [200, 200])
    assert.deepEqual([metrics.failedRequests, metrics.errorRate, metrics.connections], [0, 0, 3])
    const { p50, p95, p99 } = metrics.responseTimePercentiles
    assert(p50 > 0 && p50 <= p95 && p95 <= p99)
    const rate = 200 / (duration / 1000)
    assert(Math.abs(metrics.throughput / rate - 1) < 1e-9, `${metrics.throughput}, not ${rate}`)
    assert.equal(
      timeline.reduce((sum, { requests }) => sum + requests, 0),
      200,
    )
    assert.deepEqual([config.concurrency, config.method, config.maxRequests], [3, 'POST', 200])
    assert(!('headers' in config))
  })

  test('is loaded for the duration, by workers that are added over the ramp-up', async () => {
    let requests = 0
    const server = http.createServer((_, response) => {
      requests++
      response.end()
    })
    const { metrics, timeline, duration } = await serving(server, (target) =>
      load({ target, duration: 1100, rampUp: 1500, concurrency: 2 }),
    )
    // The second worker starts after half the ramp-up.
    assert(duration >= 1850)
    assert.equal(metrics.totalRequests, requests)
    assert.deepEqual(
      timeline.map(({ activeWorkers }) => activeWorkers),
      [2, 0],
    )
    assert(timeline[0].time >= 1000 && timeline[0].p50 <= timeline[0].p99)
    assert(timeline[0].throughput > 0)
  })

  test('chunked bodies, HEAD, closing servers and kept connections all work', async () => {
    const chunked = http.createServer(async (_, response) => {
      await allOfChunked
      response.write('a'.repeat(40_000))
      response.end('b')
    })
    const allOfChunked = connected(chunked, 3)
    const headed = http.createServer((_, response) => allOfHeaded.then(() => response.end('body')))
    const allOfHeaded = connected(headed, 3)
    const closing = http.createServer({ keepAlive: false }, (_, response) => {
      response.setHeader('connection', 'close').end('x')
    })
    // Closes without a word after each response.
    const silent = raw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
    const endless = raw((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'))
    for (const [server, method, connections] of /** @type {const} */ ([
      [chunked, 'GET', 3],
      [headed, 'HEAD', 3],
      [closing, 'GET', 30],
      [silent, 'GET', 30],
      [endless, 'GET', 30],
    ])) {
      const { metrics } = await serving(server, (target) =>
        load({ target, method, maxRequests: 30 }),
      )
      assert.deepEqual([metrics.successfulRequests, metrics.connections], [30, connections])
    }
  })

  /** @type {[keyof types.LoadTestMetrics['errors'], string, net.Server, object?][]} */
  const failing = [
    ['status', 'answers 500', http.createServer((_, reply) => reply.writeHead(500).end('no'))],
    ['status', 'answers 404', http.createServer((_, reply) => reply.writeHead(404).end())],
    ['reset', 'resets', raw((socket) => socket.resetAndDestroy())],
    ['reset', 'closes without an answer', raw((socket) => socket.end())],
    ['reset', 'closes amid the head', raw((socket) => socket.end('HTTP/1.1 200 OK\r\ncont'))],
    [
      'reset',
      'closes amid the body',
      raw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
    ],
    ['protocol', 'sends garbage', raw((socket) => socket.write('\0\x01garbage\r\n\r\n'))],
    [
      'protocol',
      'sends an endless head',
      raw((socket) => socket.write(`HTTP/1.1 200 OK\r\na: ${'b'.repeat(1e5)}`)),
    ],
    ['timeout', 'never answers', raw(() => {}), { timeout: 20 }],
    [
      'timeout',
      'never ends',
      raw((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n')),
      { timeout: 20 },
    ],
  ]
  for (const [kind, what, server, options] of failing) {
    test(`that ${what} is counted as failed: ${kind}`, async () => {
      const { metrics } = await serving(server, (target) =>
        load({ target, maxRequests: 9, ...options }),
      )
      assert.deepEqual([metrics.totalRequests, metrics.errors[kind]], [9, 9])
      assert.deepEqual([metrics.failedRequests, metrics.errorRate], [9, 1])
      assert.deepEqual([metrics.averageResponseTime, metrics.throughput], [0, 0])
      assert.deepEqual(metrics.responseTimePercentiles, { p50: 0, p95: 0, p99: 0 })
    })
  }

  test('that refuses connections, or does not exist, is counted as failed: connect', async () => {
    const closed = await serving(net.createServer(), async (url) => url)
    for (const target of [closed, 'http://does-not-exist.invalid/']) {
      const { metrics } = await load({ target, maxRequests: 3 })
      assert.deepEqual([metrics.totalRequests, metrics.errors.connect], [3, 3])
    }
  })

  test('nobody waits to start when no request is left', async () => {
    const server = http.createServer((_, response) => response.end())
    await serving(server, async (url) => {
      for (const target of [url, async () => {}]) {
        const { metrics } = await load({ target, maxRequests: 5, rampUp: 1e9 })
        assert.equal(metrics.totalRequests, 5)
      }
    })
  })

  test('requests in flight at the end are cut off and counted', async () => {
    let arrived = 0
    const { metrics } = await serving(
      raw(() => arrived++),
      (target) => load({ target, duration: 200 }),
    )
    assert(arrived > 0)
    assert.deepEqual([metrics.totalRequests, metrics.errors.timeout], [arrived, arrived])
  })

  test('an aborted test rejects with the reason', async () => {
    const controller = new AbortController()
    const silent = raw(() => controller.abort('enough'))
    const aborted = serving(silent, (target) => load({ target, signal: controller.signal }))
    await assert.rejects(aborted, (reason) => reason === 'enough')
    const late = load({ target: 'http://127.0.0.1:1/', signal: AbortSignal.abort() })
    await assert.rejects(late, { name: 'AbortError' })
  })

  test('https: works with certificates the system trusts, and only those', async (context) => {
    if (process.platform !== 'linux') return context.skip('trusts a test certificate by variable')
    const file = (/** @type {string} */ name) =>
      fileURLToPath(new URL(`fixtures/tls/${name}`, import.meta.url))
    const server = https.createServer(
      { key: fs.readFileSync(file('server.key')), cert: fs.readFileSync(file('server.pem')) },
      (_, response) => response.end('secret'),
    )
    const script = `
      const { PerformanceBenchmark } = require('./lib/performance-benchmark.js')
      const config = { name: 'tls', target: process.argv[1], maxRequests: 20, concurrency: 2, rampUp: 0 }
      new PerformanceBenchmark({ silent: true }).runLoadTest(config)
        .then(({ metrics }) => console.log(JSON.stringify(metrics)))`
    await serving(server, async (url) => {
      const target = url.replace('http:', 'https:')
      for (const [trust, succeed, fail] of /** @type {const} */ ([
        [{ SSL_CERT_FILE: file('authority.pem') }, 20, 0],
        [{}, 0, 20],
      ])) {
        const { stdout } = await promisify(execFile)(process.execPath, ['-e', script, target], {
          cwd: fileURLToPath(new URL('..', import.meta.url)),
          env: { ...process.env, ...trust },
        })
        const { successfulRequests, errors } = JSON.parse(stdout)
        assert.deepEqual([successfulRequests, errors.connect], [succeed, fail])
      }
    })
  })
})

describe('a function', () => {
  test('is called by so many at once, and its failures are counted', async () => {
    let calls = 0
    let running = 0
    let most = 0
    const target = async () => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      if (++calls % 2 === 0) throw new Error('every other')
    }
    const { metrics, timeline } = await load({ target, maxRequests: 40, duration: 1e9 })
    assert.deepEqual([most, calls], [3, 40])
    assert.deepEqual([metrics.successfulRequests, metrics.errors.rejected], [20, 20])
    assert.equal(metrics.errorRate, 0.5)
    assert(metrics.averageResponseTime > 0)
    assert.equal(timeline.at(-1)?.requests, 40)
  })

  test('that never waits leaves timers their turn, and ends in time', async () => {
    let fired = false
    setTimeout(() => {
      fired = true
    })
    const { metrics } = await load({ target: () => {}, duration: 60 })
    assert(fired)
    assert.equal(metrics.totalRequests, metrics.successfulRequests)
  })

  test('that never settles or throws is counted', async () => {
    const never = await load({ target: () => new Promise(() => {}), timeout: 5, maxRequests: 6 })
    assert.deepEqual([never.metrics.totalRequests, never.metrics.errors.timeout], [6, 6])
    let calls = 0
    const stuck = () => {
      calls++
      return new Promise(() => {})
    }
    const cut = await load({ target: stuck, duration: 200, timeout: 60_000 })
    assert(calls > 0)
    assert.deepEqual([cut.metrics.totalRequests, cut.metrics.errors.timeout], [calls, calls])
    const target = () => {
      throw new Error('at once')
    }
    const { metrics } = await load({ target, maxRequests: 6 })
    assert.deepEqual([metrics.totalRequests, metrics.errors.rejected], [6, 6])
  })

  test('is not called any more once the test is aborted', async () => {
    const controller = new AbortController()
    let calls = 0
    const target = () => {
      if (++calls === 5) controller.abort('enough')
      return calls < 5 ? undefined : new Promise(() => {})
    }
    const timeout = 2 ** 31 - 1
    const config = { target, rampUp: 60_000, timeout, signal: controller.signal }
    await assert.rejects(load(config), (reason) => reason === 'enough')
    assert.equal(calls, 5)
  })
})

/** A body whose bytes went to another thread. */
function detached() {
  const body = new Uint8Array(8)
  structuredClone(body.buffer, { transfer: [body.buffer] })
  return body
}

test('wrong arguments are named', async () => {
  const target = 'http://127.0.0.1:1/'
  for (const [config, code] of [
    [{ target: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ target, name: undefined }, 'ERR_INVALID_ARG_TYPE'],
    [{ target, body: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ target, signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ target, concurrency: 0.5 }, 'ERR_OUT_OF_RANGE'],
    [{ target, concurrency: 100_001, maxRequests: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ target, headers: 5 }, 'ERR_INVALID_ARG_VALUE'],
    [{ target, headers: { name: '\0' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ target, body: detached() }, 'ERR_INVALID_ARG_VALUE'],
    [{ target, duration: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ target, maxRequests: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ target, method: 'GET /\r\n' }, 'ERR_OUT_OF_RANGE'],
    [{ target: 'nowhere' }, 'ERR_INVALID_URL'],
    [{ target: 'ftp://127.0.0.1/' }, 'ERR_INVALID_URL'],
  ]) {
    await assert.rejects(load(/** @type {any} */ (config)), { code })
  }
  await assert.rejects(load({ target, headers: { 'a\r\nb': 'c' } }), TypeError)
})

test('nothing is left that keeps the process alive, and a worker may end amid a test', async () => {
  const script = `
    const { Worker } = require('node:worker_threads')
    const { PerformanceBenchmark } = require('./lib/performance-benchmark.js')
    const http = require('node:http')
    async function main() {
      const benchmark = new PerformanceBenchmark({ silent: true, iterations: 3 })
      const wait = () => new Promise(setImmediate)
      await benchmark.run({ name: 'suite', tests: [{ name: 'test', fn: wait }] })
      await benchmark.runLoadTest({ name: 'calls', target: wait, duration: 20, rampUp: 0 })
      let requests = 0
      let onRequest
      const server = http.createServer((_, response) => { requests++; onRequest?.(); response.end() })
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      const target = 'http://127.0.0.1:' + server.address().port
      await benchmark.runLoadTest({ name: 'requests', target, duration: 20, rampUp: 0 })
      const loading = new Promise((resolve) => { onRequest = resolve })
      const worker = new Worker(
        \`const { PerformanceBenchmark } = require('./lib/performance-benchmark.js')
        new PerformanceBenchmark({ silent: true }).runLoadTest({ name: 'a', target: '\${target}' })\`,
        { eval: true })
      await loading
      await worker.terminate()
      // Only if its connections are given up does the server close.
      await new Promise((resolve) => server.close(resolve))
      console.log('done')
    }
    main()`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    timeout: 20_000,
  })
  assert.equal(stdout, 'done\n')
})
