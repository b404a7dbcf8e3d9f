// @ts-check
// What decides when a load test sends which request: HTTP/2, rates, several targets, and progress on the way.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { describe, test } from 'node:test'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'

/** @import net from 'node:net' */
/** @import * as types from '../lib/performance-benchmark.js' */

const benchmark = new PerformanceBenchmark({ silent: true })

/** @param {Partial<types.LoadTestConfig>} config */
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
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = /** @type {net.AddressInfo} */ (server.address())
  try {
    return await use(`http://127.0.0.1:${port}/`)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

describe('HTTP/2', () => {
  test('requests arrive whole, and many share a connection', async () => {
    /** @type {{ headers: http2.IncomingHttpHeaders, body: string }[]} */
    const seen = []
    let answer = () => {}
    // Nobody is answered before all have connected.
    const connected = new Promise((resolve) => (answer = () => resolve(undefined)))
    let sessions = 0
    const server = http2.createServer((request, response) => {
      let body = ''
      request.on('data', (piece) => (body += piece))
      request.on('end', () => {
        seen.push({ headers: request.headers, body })
        connected.then(() => response.end('hello'))
      })
    })
    server.on('session', () => ++sessions === 3 && answer())
    const { metrics, config } = await serving(server, (url) =>
      load({
        target: `${url}path?query`,
        http2: true,
        maxRequests: 60,
        method: 'POST',
        headers: { 'X-Name': 'value', Connection: 'close' },
        body: 'body',
      }),
    )
    assert.equal(seen.length, 60)
    const { headers, body } = seen[0]
    assert.deepEqual([headers[':method'], headers[':path']], ['POST', '/path?query'])
    assert.deepEqual([headers['x-name'], headers.connection, body], ['value', undefined, 'body'])
    assert.deepEqual([metrics.successfulRequests, metrics.connections], [60, 3])
    assert.deepEqual([metrics.bytes.received, config.http2], [60 * 'hello'.length, true])
  })

  test('a server that says goodbye gets the rest on new connections', async () => {
    const server = http2.createServer()
    server.on('session', (session) => {
      let streams = 0
      session.on('error', () => {})
      session.on('stream', (stream) => {
        stream.on('error', () => {})
        stream.respond({ ':status': 200 })
        stream.end('x')
        if (++streams === 5) session.close()
      })
    })
    const { metrics } = await serving(server, (target) =>
      load({ target, http2: true, maxRequests: 40, concurrency: 1 }),
    )
    assert.deepEqual([metrics.successfulRequests, metrics.failedRequests], [40, 0])
    assert.equal(metrics.connections, 8)
  })

  test('a stream that is reset, and a server that speaks HTTP/1, are counted by kind', async () => {
    const resetting = http2.createServer()
    resetting.on('stream', (stream) => {
      stream.on('error', () => {})
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
    })
    const older = http.createServer((_, response) => response.end())
    for (const [server, kind] of /** @type {const} */ ([
      [resetting, 'reset'],
      [older, 'protocol'],
    ])) {
      const { metrics } = await serving(server, (target) =>
        load({ target, http2: true, maxRequests: 9 }),
      )
      assert.deepEqual([metrics.totalRequests, metrics.errors[kind]], [9, 9], kind)
    }
  })
})

describe('with a rate', () => {
  test('as many requests are sent as are due, no faster', async () => {
    let requests = 0
    const server = http.createServer((_, response) => {
      requests++
      response.end()
    })
    const { metrics, duration } = await serving(server, (target) =>
      load({ target, rate: 200, duration: 60_000, rampUp: 0, maxRequests: 40 }),
    )
    assert.deepEqual([metrics.totalRequests, requests, metrics.scheduledRequests], [40, 40, 40])
    // The last one is due 195 ms after the first.
    assert(duration >= 195)
  })

  test('what waits for a free worker counts from when it was due', async () => {
    let requests = 0
    const server = http.createServer((_, response) => {
      // One stall; whatever is due meanwhile waits behind it.
      if (++requests === 10) setTimeout(() => response.end(), 500)
      else response.end()
    })
    const { metrics } = await serving(server, (target) =>
      load({ target, rate: 100, concurrency: 1, maxRequests: 60 }),
    )
    const { responseTime, serviceTime } = metrics
    assert.equal(metrics.successfulRequests, 60)
    // 49 of the 60 were due during the stall, at even distances; one was sent in it.
    assert(responseTime.p50 > 100, `${responseTime.p50}`)
    assert(serviceTime.p50 < responseTime.p50)
    assert(serviceTime.max >= 499 && responseTime.max >= serviceTime.max)
  })

  test('a server that never answers leaves requests unsent, and the test ends', async () => {
    const { metrics } = await serving(
      http.createServer(() => {}),
      (target) => load({ target, rate: 1000, duration: 100 }),
    )
    assert.deepEqual([metrics.totalRequests, metrics.errors.timeout], [3, 3])
    assert.equal(metrics.scheduledRequests, 100)
  })
})

describe('several targets', () => {
  test('get their shares, each its own request', async () => {
    /** @type {Record<string, number>} */
    const counts = {}
    const server = http.createServer((request, response) => {
      const key = `${request.method} ${request.url} ${request.headers['x-for']}`
      counts[key] = (counts[key] ?? 0) + 1
      response.writeHead(request.url === '/none' ? 404 : 200).end()
    })
    const { metrics, config } = await serving(server, (url) =>
      load({
        targets: [
          { url: `${url}often`, weight: 3 },
          { url: `${url}none`, method: 'DELETE', expectedStatus: 404, headers: { 'x-for': 'own' } },
        ],
        headers: { 'x-for': 'all' },
        maxRequests: 80,
        concurrency: 1,
      }),
    )
    assert.deepEqual(counts, { 'GET /often all': 60, 'DELETE /none own': 20 })
    assert.deepEqual([metrics.successfulRequests, metrics.connections], [80, 1])
    assert.equal(config.targets?.[0].weight, 3)
    assert(!JSON.stringify(config).includes('own'))
  })

  test('wrong ones are named', async () => {
    const url = 'http://127.0.0.1:1/'
    for (const [config, code, name] of [
      [{ targets: [] }, 'ERR_INVALID_ARG_VALUE', 'targets'],
      [{ targets: 'x' }, 'ERR_INVALID_ARG_TYPE', 'targets'],
      [{ targets: [{ url }], target: url }, 'ERR_INVALID_ARG_VALUE', 'targets'],
      [{ targets: [{ url: 5 }] }, 'ERR_INVALID_ARG_TYPE', 'targets[0].url'],
      [{ targets: [{ url, weight: 0 }] }, 'ERR_OUT_OF_RANGE', 'targets[0].weight'],
      [{ target: url, expectedStatus: 99 }, 'ERR_OUT_OF_RANGE', 'expectedStatus'],
      [{ target: url, rate: 0 }, 'ERR_OUT_OF_RANGE', 'rate'],
      [{ target: () => {}, rate: 5 }, 'ERR_INVALID_ARG_VALUE', 'target'],
      [{ target: url, onProgress: 5 }, 'ERR_INVALID_ARG_TYPE', 'onProgress'],
    ]) {
      await assert.rejects(load(/** @type {any} */ (config)), (/** @type {any} */ error) => {
        assert.equal(error.code, code)
        assert(error.message.includes(/** @type {string} */ (name)), error.message)
        return true
      })
    }
  })
})

describe('progress', () => {
  test('tells every point of the timeline', async () => {
    const server = http.createServer((_, response) => response.end())
    await serving(server, async (url) => {
      for (const target of [url, () => new Promise(setImmediate)]) {
        /** @type {types.LoadTestPoint[]} */
        const points = []
        const { timeline } = await load({
          target,
          maxRequests: 20,
          onProgress: (point) => points.push(point),
        })
        assert.deepEqual(points, timeline)
      }
    })
  })

  test('an error of the listener is the test’s', async () => {
    const server = http.createServer((_, response) => response.end())
    await serving(server, async (url) => {
      const error = new Error('enough')
      const onProgress = () => {
        throw error
      }
      for (const target of [url, () => new Promise(setImmediate)]) {
        await assert.rejects(
          load({ target, maxRequests: 5, onProgress }),
          (found) => found === error,
        )
      }
    })
  })
})

test('the distribution and the counts of bytes add up', async () => {
  const server = http.createServer((_, response) => response.end('hello'))
  const { metrics, timeline } = await serving(server, (target) => load({ target, maxRequests: 50 }))
  const { responseTime, bytes } = metrics
  const counted = responseTime.histogram.reduce((sum, { count }) => sum + count, 0)
  assert.equal(counted, 50)
  const { min, p50, p90, p95, p99, p999, max } = responseTime
  const ranks = [min, p50, p90, p95, p99, p999, max]
  assert.deepEqual(
    ranks,
    ranks.toSorted((a, b) => a - b),
  )
  assert(bytes.sent > 50 * 'GET / HTTP/1.1'.length && bytes.received > 50 * 'hello'.length)
  assert.equal(
    timeline.reduce((sum, point) => sum + point.bytesReceived, 0),
    bytes.received,
  )
})
