// @ts-check
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import {
  AlertSystem,
  FileBatchProcessor,
  GitHubAPICache,
  MemoryProfiler,
  Monitor,
  OptimizedGitHubClient,
  PerformanceBenchmark,
} from '../lib/index.js'
import { follow, nextEvent } from './support/events.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

const fixture = fileURLToPath(new URL('./fixtures/dashboard-process.mjs', import.meta.url))

/** @param {{ url: string }} server */
const eventsOf = ({ url }) => url.replace('/?', '/events?')

/**
 * @param {string} url
 * @param {{ method?: string, headers?: import('node:http').OutgoingHttpHeaders }} [options]
 */
async function ask(url, options = {}) {
  const asked = request(url, { ...options, agent: false }).end()
  /** @type {[import('node:http').IncomingMessage]} */
  const [response] = /** @type {any} */ (await once(asked, 'response'))
  let text = ''
  for await (const piece of response.setEncoding('utf8')) text += piece
  return { status: response.statusCode, headers: response.headers, text }
}

describe('who may see the dashboard', () => {
  /** @type {import('../lib/index.js').DashboardServer} */
  let server
  before(async () => {
    server = await new Monitor().serve({ title: '<b>app</b>' })
  })
  after(() => server.close())

  test('the page asks for nothing from anywhere and is kept nowhere', async () => {
    const { hostname, port, searchParams } = new URL(server.url)
    assert.deepEqual([hostname, Number(port)], ['127.0.0.1', server.port])
    assert.match(searchParams.get('token') ?? '', /^[0-9a-f]{32}$/)
    const { status, headers, text } = await ask(server.url)
    assert.equal(status, 200)
    const policy = String(headers['content-security-policy'])
    const nonce = /script-src 'nonce-(\w+)'/.exec(policy)?.[1]
    assert.match(policy, /^default-src 'none'; .*frame-ancestors 'none'/)
    assert.ok(text.includes(`<script nonce="${nonce}">`))
    assert.ok(!policy.includes('unsafe'))
    assert.deepEqual(
      [headers['cache-control'], headers['referrer-policy'], headers['x-content-type-options']],
      ['no-store', 'no-referrer', 'nosniff'],
    )
    const again = await ask(server.url)
    assert.notEqual(again.headers['content-security-policy'], policy)
  })

  for (const [name, change, options, expected] of /** @type {const} */ ([
    ['no token', { search: '' }, {}, 401],
    ['a wrong token', { search: `?token=${'0'.repeat(32)}` }, {}, 403],
    ['no token for events', { pathname: '/events', search: '' }, {}, 401],
    ['another host', {}, { headers: { host: 'evil.example' } }, 403],
    ['another port', {}, { headers: { host: '127.0.0.1:1' } }, 403],
    ['another origin', {}, { headers: { origin: 'https://evil.example' } }, 403],
    ['an opaque origin', {}, { headers: { origin: 'null' } }, 403],
    ['another method', {}, { method: 'POST' }, 405],
    ['another path', { pathname: '/other' }, {}, 404],
  ])) {
    test(`${name} is answered ${expected}`, async () => {
      const url = Object.assign(new URL(server.url), change)
      const { status, headers, text } = await ask(url.href, options)
      assert.equal(status, expected)
      assert.ok(!text.includes('script'))
      assert.equal(headers['access-control-allow-origin'], undefined)
    })
  }

  test('a program shows the token in a header', async () => {
    const { origin, searchParams } = new URL(server.url)
    const headers = { authorization: `Bearer ${searchParams.get('token')}` }
    assert.equal((await ask(`${origin}/`, { headers })).status, 200)
  })

  test('clients that ask again and again and read nothing shut nobody out', async (t) => {
    const { hostname, port } = new URL(server.url)
    const asked = `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`.repeat(60_000)
    for (let count = 0; count < 32; count++) {
      const deaf = connect(Number(port), hostname).pause()
      t.after(() => deaf.destroy())
      deaf.on('error', () => {}).write(asked)
      await once(deaf, 'connect')
    }
    assert.equal((await ask(server.url)).status, 200)
  })

  test('a ninth follower is told to come later', async () => {
    const followers = await Promise.all(Array.from({ length: 8 }, () => follow(eventsOf(server))))
    assert.equal(server.followers, 8)
    const { status, headers } = await ask(eventsOf(server))
    assert.deepEqual([status, headers['retry-after']], [503, '5'])
    for (const { end } of followers) end()
  })
})

describe('what the dashboard tells', () => {
  test('everything a monitor knows', async (t) => {
    const folder = await workspace(t)
    const api = await serve(t, (_request, response) => response.end('{"ok":true}'))
    const client = new OptimizedGitHubClient(api.url, { cacheDir: join(folder, 'cache') })
    await client.init()
    const processor = new FileBatchProcessor()
    const profiler = new MemoryProfiler({ silent: true, rssThreshold: 1, alertCallback() {} })
    const benchmark = new PerformanceBenchmark({ silent: true })
    const alerts = new AlertSystem()
    const monitor = new Monitor({ alerts })
    for (const source of [client, processor, profiler, benchmark]) monitor.attach(source)
    for (let count = 0; count < 2; count++) await client.cachedFetch('/a')
    await processor.addWriteOperation(join(folder, 'file'), 'text')
    profiler.takeSample()
    alerts.checkThreshold('queue', 2, 1)

    const server = await monitor.serve({ interval: 100, title: 'app' })
    t.after(() => server.close())
    const { events, end } = await follow(eventsOf(server))
    const pulse = await nextEvent(events, ({ kind }) => kind === 'pulse')
    assert.ok(pulse.data.rss > 0 && pulse.data.timestamp > 0)
    const hasDisk = (/** @type {any} */ { kind, data }) =>
      kind === 'state' && data.sources[0].tiers.disk.entries === 1
    const { data } = await nextEvent(events, hasDisk)
    assert.deepEqual(data.process, { title: 'app', pid: process.pid, node: process.versions.node })
    assert.deepEqual(data.sources[0].tiers.memory, { entries: 1, hits: 1 })
    assert.equal(data.sources[1].stats.totalRequests, 1)
    assert.equal(data.processingStats.successfulOperations, 1)
    assert.equal(data.sources[3].stats.thresholds.rss, 1)
    assert.equal(data.sources[3].stats.alerts[0].metric, 'rss')
    assert.equal(data.alerts[0].metric, 'queue')
    assert.equal(data.windows.responseTime.count, 1)

    const config = { name: 'load', target: api.url, duration: 1500, concurrency: 1, rampUp: 0 }
    const done = benchmark.runLoadTest(config)
    const begun = await nextEvent(events, ({ kind }) => kind === 'load')
    assert.deepEqual(begun.data, { id: 1, name: 'load', running: true, point: null })
    const point = await nextEvent(events, ({ kind, data }) => kind === 'load' && data.point)
    assert.ok(point.data.running && point.data.point.requests > 0)
    await done
    const over = await nextEvent(events, ({ kind, data }) => kind === 'load' && !data.running)
    assert.equal(over.data.name, 'load')
    end()
  })

  test('a follower who returns gets what was missed, in order', async (t) => {
    const server = await new Monitor().serve({ interval: 100 })
    t.after(() => server.close())
    const first = await follow(eventsOf(server))
    const { id } = await nextEvent(first.events, ({ id }) => id >= 3)
    first.end()
    const second = await follow(eventsOf(server), { 'last-event-id': id })
    const next = await nextEvent(second.events, () => true)
    assert.equal(next.id, id + 1)
    second.end()
    const third = await follow(`${eventsOf(server)}&after=${id}`)
    assert.equal((await nextEvent(third.events, () => true)).id, id + 1)
    third.end()
  })

  test('figures that cannot be made are told, and end nothing', async (t) => {
    const client = new OptimizedGitHubClient('http://127.0.0.1:9', {
      cacheDir: await workspace(t),
    })
    client.rateLimiter = {
      async waitForNext() {},
      getStats() {
        throw new Error('no figures')
      },
    }
    const server = await new Monitor().attach(client).serve({ interval: 100 })
    t.after(() => server.close())
    const { events, end } = await follow(eventsOf(server))
    const failed = await nextEvent(events, ({ kind }) => kind === 'failed')
    assert.deepEqual(failed.data, { message: 'no figures' })
    end()
  })

  test('a cache that cannot be read leaves the disk unknown', async (t) => {
    const cache = new GitHubAPICache(join(fixture, 'no-folder'))
    const server = await new Monitor().attach(cache).serve({ interval: 100 })
    t.after(() => server.close())
    const { events, end } = await follow(eventsOf(server))
    const { data } = await nextEvent(events, ({ kind }) => kind === 'state')
    assert.equal(data.sources[0].tiers.disk.entries, undefined)
    end()
  })
})

describe('how long the dashboard lives', () => {
  test('it tells of a process whose event loop is blocked', async (t) => {
    const child = spawn(process.execPath, [fixture, 'block'])
    t.after(() => child.kill('SIGKILL'))
    const [line] = await once(child.stdout, 'data')
    const { events, end } = await follow(eventsOf({ url: String(line).trim() }))
    await nextEvent(events, ({ kind }) => kind === 'state')
    child.stdin.write('block\n')
    // Longer than JavaScript is ever silent while it turns: it tells something every 100 ms.
    const late = await nextEvent(
      events,
      ({ kind, data }) => kind === 'pulse' && data.silence > 1500,
    )
    const later = await nextEvent(events, ({ kind }) => kind === 'pulse')
    assert.ok(later.data.timestamp > late.data.timestamp && later.data.silence > late.data.silence)
    assert.ok(later.data.rss > 0 && later.data.cpu !== null)
    end()
    // And it takes those who come only now.
    assert.equal((await ask(String(line).trim())).status, 200)
  })

  test('it does not keep a process alive', () => {
    const { status, stdout } = spawnSync(process.execPath, [fixture], { encoding: 'utf8' })
    assert.equal(status, 0)
    assert.match(stdout, /^http:\/\/127\.0\.0\.1:\d+\/\?token=\w+\n$/)
  })

  test('it closes while pages are open, and tells them', async () => {
    const server = await new Monitor().serve({ interval: 100 })
    const { events, response } = await follow(eventsOf(server))
    // One that reads nothing, and one that has asked nothing.
    const { port, pathname, search } = new URL(eventsOf(server))
    const deaf = connect(Number(port), '127.0.0.1').pause()
    const mute = connect(Number(port), '127.0.0.1')
    deaf
      .on('error', () => {})
      .write(`GET ${pathname}${search} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    mute.on('error', () => {})
    await once(mute, 'connect')
    await nextEvent(events, ({ kind }) => kind === 'state')
    await Promise.all([server.close(), server.close()])
    await nextEvent(events, ({ kind }) => kind === 'end')
    assert.equal((await events.next()).done, true)
    assert.ok(response.complete)
    await assert.rejects(ask(server.url), { code: 'ECONNREFUSED' })
    deaf.destroy()
    mute.destroy()
  })

  test('a monitor may have many', async (t) => {
    const warned = t.mock.method(process, 'emitWarning', () => {})
    const monitor = new Monitor()
    const servers = await Promise.all(Array.from({ length: 11 }, () => monitor.serve()))
    await Promise.all(servers.map((server) => server.close()))
    assert.equal(warned.mock.callCount(), 0)
  })

  test('it ends with its worker', async () => {
    const code = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { Monitor } = require(workerData)
      new Monitor().serve({ interval: 100 }).then(({ url }) => parentPort.postMessage(url))
      setInterval(() => {}, 1000)`
    const workerData = fileURLToPath(new URL('../lib/index.js', import.meta.url))
    const worker = new Worker(code, { eval: true, workerData })
    const [url] = await once(worker, 'message')
    const { events } = await follow(eventsOf({ url }))
    await nextEvent(events, ({ kind }) => kind === 'state')
    await worker.terminate()
    await nextEvent(events, ({ kind }) => kind === 'end')
    assert.equal((await events.next()).done, true)
  })

  test('a port that is taken, and wrong options, are refused', async (t) => {
    const monitor = new Monitor()
    const server = await monitor.serve()
    t.after(() => server.close())
    const taken = { code: 'EADDRINUSE', syscall: 'listen', message: new RegExp(`${server.port}`) }
    await assert.rejects(monitor.serve({ port: server.port }), taken)
    for (const [options, code] of /** @type {[any, string][]} */ ([
      [{ port: 65_536 }, 'ERR_OUT_OF_RANGE'],
      [{ interval: 1 }, 'ERR_OUT_OF_RANGE'],
      [{ title: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [1, 'ERR_INVALID_ARG_TYPE'],
    ])) {
      await assert.rejects(monitor.serve(options), { code })
    }
  })
})
