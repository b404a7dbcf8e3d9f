// @ts-check
// A real HTTP server under load, with a leak and without: the profiler tells them apart. Half an hour of judging is
// compressed into seconds by shorter buckets, and collections are forced as often.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'

/** @import { LeakAlert } from '../lib/memory-profiler.js' */

const library = path.join(import.meta.dirname, '../lib/memory-profiler.js')
const PATIENCE = 120_000

/** A server that keeps a session for each request, or lets it go. */
const server = (/** @type {boolean} */ leaks) => `
  const http = require('node:http')
  const { MemoryProfiler } = require(process.argv[1])
  const sessions = new Map()
  const server = http.createServer((request, response) => {
    const session = { url: request.url, rows: Array.from({ length: 300 }, (_, row) => ({ row })) }
    if (${leaks}) sessions.set(sessions.size, session)
    response.end(JSON.stringify(session.rows))
  })
  const profiler = new MemoryProfiler({
    silent: true,
    samplingInterval: 25,
    heapThreshold: '100%', heapTotalThreshold: '100%', externalThreshold: '100%', rssThreshold: '100%',
    leakDetection: { bucketInterval: 100, gracePeriod: 1000, probe: 50 },
    alertInterval: 2 ** 31 - 1, alertHysteresis: 0.5,
    alertCallback: (alerts) => process.send({ alerts }),
  })
  server.listen(0, '127.0.0.1', () => {
    profiler.startProfiling()
    process.send({ port: server.address().port })
    setInterval(() => {
      const { gc } = profiler.generateReport()
      process.send({ collections: gc.major.count })
    }, 50)
  })
  process.on('disconnect', () => process.exit())`

/**
 * Keeps four requests in flight until `done` says so of what the server tells; gives its alerts.
 *
 * @param {boolean} leaks
 * @param {(collections: number, alerts: LeakAlert[]) => boolean} done
 */
async function underLoad(leaks, done) {
  const child = spawn(process.execPath, ['-e', server(leaks), library], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  /** @type {LeakAlert[]} */
  const alerts = []
  let [collections, finished, served] = [0, false, 0]
  try {
    const [{ port }] = await once(child, 'message')
    child.on('message', (/** @type {any} */ message) => {
      alerts.push(...(message.alerts ?? []))
      collections = message.collections ?? collections
      finished = done(collections, alerts)
    })
    const deadline = Date.now() + PATIENCE
    const client = async () => {
      while (!finished) {
        assert.ok(Date.now() < deadline, `after ${collections} collections nothing was decided`)
        const request = http.get({ host: '127.0.0.1', port, agent, path: '/' })
        const [response] = await once(request, 'response')
        response.resume()
        await once(response, 'end')
        served++
      }
    }
    await Promise.all([client(), client(), client(), client()])
    return { alerts, collections, served }
  } finally {
    agent.destroy()
    child.kill()
    await once(child, 'exit')
  }
}

test('a leak in a server under load is found, and a server without one raises no alarm', async () => {
  const isLeak = (/** @type {LeakAlert} */ { level, memory }) =>
    level === 'leak' && memory === 'heap'
  const leaking = await underLoad(true, (_, alerts) => alerts.some(isLeak))
  const {
    type,
    bytesPerMinute = 0,
    confidence = 0,
    untilLimit = 0,
  } = /** @type {LeakAlert} */ (leaking.alerts.find(isLeak))
  assert.equal(type, 'memory_leak_suspected')
  assert.ok(bytesPerMinute > 0 && confidence > 0.99 && untilLimit > 0)

  const told = leaking.alerts.map(({ level, memory }) => `${level} ${memory}`)
  assert.deepEqual(told, [...new Set(told)], 'one is not told again before its time')

  const enough = 2 * leaking.collections
  const clean = await underLoad(false, (collections) => collections >= enough)
  assert.deepEqual(clean.alerts, [])
  assert.ok(clean.served > 100)
})
