// @ts-check
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, mock, test } from 'node:test'
import {
  AlertSystem,
  FileBatchProcessor,
  GitHubAPICache,
  MemoryProfiler,
  Monitor,
  OptimizedGitHubClient,
  PerformanceBenchmark,
} from '../lib/index.js'

/** @type {string} */
let folder
/** @type {import('node:http').Server} */
let server
/** @type {string} */
let url
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aiwf-native-'))
  server = createServer((_request, response) => response.end('{"ok":true}'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  url = `http://127.0.0.1:${port}`
})
after(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

describe('Monitor', () => {
  test('counts what follows the response headers, and no request twice', async () => {
    const target = createServer((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end('{}')
    })
    await new Promise((resolve) => target.listen(0, '127.0.0.1', () => resolve(undefined)))
    const { port } = /** @type {import('node:net').AddressInfo} */ (target.address())
    const base = `http://127.0.0.1:${port}`
    const client = new OptimizedGitHubClient(base, { cacheDir: join(folder, 'http'), http: true })
    const monitor = new Monitor().attach(client)
    for (const path of ['/a', '/a', '/a', '/b']) await (await client.fetch(path)).text()
    await client.fetch('/a', { cache: 'no-store' })
    await client.fetch('/c', { method: 'POST' })
    for (const path of ['/b', '/d']) await client.cachedFetch(path)
    const { apiCalls, cacheHitRate } = monitor.metrics
    assert.deepEqual([apiCalls, cacheHitRate], [4, 0.5])
    assert.equal(monitor.summary('responseTime')?.count, 4)
    monitor.detach(client)
    await client.fetch('/e')
    assert.equal(monitor.metrics.apiCalls, 4)
    assert.equal(client.listenerCount('response'), 0)
    target.closeAllConnections()
    target.close()
  })

  test('shows what a client does', async () => {
    const client = new OptimizedGitHubClient(url, { cacheDir: join(folder, 'client') })
    await client.init()
    const monitor = new Monitor().attach(client).attach(client)
    for (const path of ['/a', '/b', '/a', '/a']) await client.cachedFetch(path)
    const { apiCalls, cacheHitRate, memoryUsage, responseTime } = monitor.metrics
    assert.deepEqual([apiCalls, cacheHitRate], [2, 0.5])
    assert.ok(memoryUsage > 0 && responseTime > 0)
    const summary = monitor.summary('responseTime')
    assert.equal(summary?.count, 2)
    assert.ok(summary.min <= summary.p50 && summary.p50 <= summary.p99)

    const data = monitor.generateDashboardData()
    assert.deepEqual(data.cacheStats, client.cache.getStats())
    assert.equal(data.processingStats, null)
    assert.deepEqual(
      data.sources.map(({ type }) => type),
      ['cache', 'rateLimiter'],
    )
    assert.equal(data.sources[1].stats.totalRequests, 2)

    assert.ok(monitor.detach(client))
    assert.ok(!monitor.detach(client))
    assert.ok(!Object.hasOwn(client.cache, 'getOrFetch'))
    await client.cachedFetch('/c')
    assert.equal(monitor.metrics.apiCalls, 2)
  })

  test('passes failures and arguments of a watched cache on', async () => {
    const cache = new GitHubAPICache(join(folder, 'cache'))
    await cache.init()
    const monitor = new Monitor().attach(cache)
    const failure = new Error('down')
    const failing = async () => {
      throw failure
    }
    await assert.rejects(cache.getOrFetch('u', failing), (error) => error === failure)
    assert.equal(monitor.metrics.apiCalls, 1)
    const wrong = /** @type {any} */ ('not a function')
    await assert.rejects(cache.getOrFetch('u', wrong), { code: 'ERR_INVALID_ARG_TYPE' })
  })

  test('two watch one object and leave in any order', async () => {
    const cache = new GitHubAPICache(join(folder, 'shared'))
    await cache.init()
    const benchmark = new PerformanceBenchmark({ silent: true })
    const [first, second] = [new Monitor(), new Monitor()]
    const work = async (/** @type {string} */ name) => {
      await cache.getOrFetch(name, async () => 1)
      await benchmark.runLoadTest({ name, target: url, maxRequests: 1, concurrency: 1 })
    }
    const seen = () =>
      [first, second].map((monitor) => [
        monitor.metrics.apiCalls,
        monitor.generateDashboardData().loadTests.length,
      ])
    for (const monitor of [first, second]) monitor.attach(cache).attach(benchmark)
    for (const watched of [cache, benchmark]) first.detach(watched)
    await work('a')
    assert.deepEqual(seen(), [
      [0, 0],
      [1, 1],
    ])
    first.attach(cache).attach(benchmark)
    await work('b')
    assert.deepEqual(seen(), [
      [1, 1],
      [2, 2],
    ])
    for (const monitor of [second, first]) {
      monitor.detach(cache)
      monitor.detach(benchmark)
    }
    assert.ok(!Object.hasOwn(cache, 'getOrFetch'))
    assert.ok(!Object.hasOwn(benchmark, 'runLoadTest'))
  })

  test('leaves a method alone that somebody replaced since', async () => {
    const cache = new GitHubAPICache(join(folder, 'replaced'))
    await cache.init()
    const monitor = new Monitor().attach(cache)
    const wrapped = cache.getOrFetch
    const replacement = mock.fn(wrapped)
    cache.getOrFetch = replacement
    monitor.detach(cache)
    monitor.attach(cache)
    await cache.getOrFetch('u', async () => 1)
    monitor.detach(cache)
    assert.equal(monitor.metrics.apiCalls, 1)
    assert.equal(replacement.mock.callCount(), 1)
    assert.equal(cache.getOrFetch, replacement)
  })

  test('warns of a response time that cannot be recorded or told', async () => {
    const cache = new GitHubAPICache(join(folder, 'warned'))
    await cache.init()
    const alerts = new AlertSystem({
      alertCallback() {
        throw new Error('not today')
      },
    })
    alerts.rules = [{ metric: 'responseTime', threshold: -1 }]
    const angry = new Monitor({ alerts }).attach(cache)
    const warned = once(process, 'warning')
    await cache.getOrFetch('a', async () => 1)
    const [told] = await warned
    assert.equal(told.code, 'AIWF_MONITOR_RESPONSE_TIME')
    assert.match(told.message, /: not today$/)
    assert.equal(angry.metrics.apiCalls, 1)
    angry.detach(cache)

    const full = new Monitor().attach(cache)
    for (let name = 0; name < 1000; name++) full.record(`metric ${name}`, 1)
    const warnedAgain = once(process, 'warning')
    await cache.getOrFetch('b', async () => 1)
    assert.match((await warnedAgain)[0].message, /1000 names/)
    assert.equal(full.metrics.apiCalls, 1)
  })

  test('watches values beyond the safe integers for anomalies too', () => {
    const alerts = new AlertSystem()
    const monitor = new Monitor({ alerts })
    for (let round = 0; round < 100; round++) monitor.record('bytes', round % 3)
    monitor.record('bytes', 1e17)
    assert.equal(monitor.summary('bytes')?.max, 1e17)
    assert.equal(alerts.history.at(-1)?.type, 'anomaly_detected')
  })

  test('leaves it to a benchmark to say what is wrong with a load test', async () => {
    const benchmark = new PerformanceBenchmark({ silent: true })
    const monitor = new Monitor().attach(benchmark)
    const load = { name: 'load', target: url, onProgress: /** @type {any} */ ('no') }
    await assert.rejects(benchmark.runLoadTest(load), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.equal(monitor.generateDashboardData().loadTest, null)
  })

  test('shows files, memory and a load test', async () => {
    const processor = new FileBatchProcessor()
    const profiler = new MemoryProfiler({ silent: true })
    const benchmark = new PerformanceBenchmark()
    const monitor = new Monitor().attach(processor).attach(profiler).attach(benchmark)
    await processor.addWriteOperation(join(folder, 'file'), 'text')
    /** @type {unknown[]} */
    const points = []
    const load = { name: 'load', target: url, duration: 1200, concurrency: 1, rampUp: 0 }
    await benchmark.runLoadTest({ ...load, onProgress: (point) => points.push(point) })
    const data = monitor.generateDashboardData()
    assert.equal(data.processingStats?.successfulOperations, 1)
    assert.deepEqual(
      data.sources.map(({ type }) => type),
      ['fileProcessor', 'memoryProfiler', 'benchmark'],
    )
    assert.ok(points.length > 0)
    const ended = { id: 1, name: 'load', running: false, point: points.at(-1) }
    assert.deepEqual([data.loadTest, data.loadTests], [ended, [ended]])
  })

  test('keeps metrics of the user, in three formats', () => {
    const monitor = new Monitor()
    for (const value of [10, 20, 30]) monitor.record('queueTime', value)
    assert.equal(monitor.summary('queueTime')?.mean, 20)
    assert.equal(monitor.summary('unknown'), null)
    assert.equal(monitor.generateDashboardData().windows.queueTime.max, 30)

    const text = monitor.toPrometheus()
    assert.match(text, /^# TYPE aiwf_memory_rss_bytes gauge\naiwf_memory_rss_bytes \d+$/m)
    assert.match(text, /^# TYPE aiwf_api_calls_total counter\naiwf_api_calls_total 0$/m)
    assert.match(text, /^aiwf_queue_time_count 3$/m)

    const [{ scopeMetrics }] = monitor.toOpenTelemetry().resourceMetrics
    const metric = /** @type {any} */ (
      scopeMetrics[0].metrics.find(({ name }) => name === 'aiwf.queueTime')
    )
    assert.equal(metric.summary.dataPoints[0].count, '3')
    assert.equal(metric.summary.dataPoints[0].sum, 60)
    const calls = /** @type {any} */ (
      scopeMetrics[0].metrics.find(({ name }) => name === 'aiwf.apiCalls')
    )
    assert.deepEqual([calls.sum.isMonotonic, calls.sum.aggregationTemporality], [true, 2])
    assert.equal(calls.sum.dataPoints[0].asDouble, 0)
  })

  test('counts and sums outlive the window, which may be empty', async () => {
    const monitor = new Monitor({ window: 60 })
    monitor.record('queueTime', 10)
    while (monitor.summary('queueTime')) await new Promise(setImmediate)
    const text = monitor.toPrometheus()
    assert.match(text, /^aiwf_queue_time\{quantile="0.5"\} NaN$/m)
    assert.match(text, /^aiwf_queue_time_sum 10\naiwf_queue_time_count 1$/m)
    const [{ scopeMetrics }] = monitor.toOpenTelemetry().resourceMetrics
    const { summary } = /** @type {any} */ (scopeMetrics[0].metrics.at(-1))
    assert.deepEqual([summary.dataPoints[0].count, summary.dataPoints[0].quantileValues], ['1', []])
    assert.deepEqual(monitor.generateDashboardData().windows, {})
  })

  test('takes metrics of any name and size', () => {
    const monitor = new Monitor()
    for (const name of ['__proto__', 'latency', 'latency_sum', 'latency_count', 'apiCallsTotal']) {
      monitor.record(name, 1)
    }
    const { windows } = monitor.generateDashboardData()
    assert.equal(JSON.parse(JSON.stringify(windows)).latency_sum.count, 1)
    assert.equal(Object.getOwnPropertyDescriptor(windows, '__proto__')?.value.count, 1)
    assert.equal(windows.count, undefined)
    const samples = monitor.toPrometheus().match(/^[^#\s]+/gm) ?? []
    assert.equal(new Set(samples).size, samples.length)
    for (const value of [0, 0, 0, Number.MAX_VALUE, Number.MAX_VALUE]) monitor.record('size', value)
    const size = monitor.summary('size')
    assert.equal(size?.p50, 0)
    assert.ok(Number.isFinite(size.mean))
  })

  test('is iterated', async () => {
    /** @type {number[]} */
    const times = []
    for await (const { timestamp } of new Monitor({ interval: 5 })) {
      if (times.push(timestamp) === 3) break
    }
    assert.equal(times.length, 3)
    assert.ok(times[0] < times[2])
  })

  test('ends an iteration that waits', async () => {
    const values = new Monitor({ interval: 2 ** 31 - 1 })[Symbol.asyncIterator]()
    await values.next()
    const [next, end] = await Promise.all([values.next(), values.return()])
    assert.deepEqual([next.done, end.done], [true, true])
  })

  test('checks its arguments', () => {
    const create = /** @type {any} */ (Monitor)
    assert.throws(() => create(), TypeError)
    assert.throws(() => new create({ window: 1 }), { code: 'ERR_OUT_OF_RANGE' })
    for (const options of [
      { window: Number.NaN },
      { window: 0 },
      { interval: '' },
      { alerts: 0 },
    ]) {
      assert.throws(() => new create(options), { code: /^ERR_(OUT_OF_RANGE|INVALID_ARG_TYPE)$/ })
    }
    const monitor = new create()
    assert.throws(() => monitor.attach({}), { code: 'ERR_INVALID_ARG_TYPE' })
    for (const value of [-1, Number.NaN, Infinity]) {
      assert.throws(() => monitor.record('metric', value), { code: 'ERR_OUT_OF_RANGE' })
    }
    for (let count = 0; count < 1000; count++) monitor.record(`metric ${count}`, 1)
    assert.throws(() => monitor.record('one more', 1), { code: 'ERR_OUT_OF_RANGE' })
  })
})
