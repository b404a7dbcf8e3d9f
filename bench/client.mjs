// @ts-check
// The HTTP client against undici, in turns, on a loopback server in a process of its own: node bench/client.mjs
import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import { createServer } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { OptimizedGitHubClient } from '../lib/index.js'
import { peer } from './peer.mjs'

const ROUNDS = 7
const BODY = JSON.stringify(
  Array.from({ length: 260 }, (_, index) => ({
    id: index,
    name: `file-${index}.md`,
    url: 'x'.repeat(90),
  })),
)

if (process.argv[2] === 'serve') serve()
else await main()

/** `/fresh` is good for an hour, `/stale` for no time at all; both have an ETag. */
function serve() {
  const server = createServer((request, response) => {
    const age = request.url?.startsWith('/fresh') ? 3600 : 0
    const headers = {
      'content-type': 'application/json',
      'cache-control': `private, max-age=${age}`,
      vary: 'Accept, Authorization',
      etag: '"1"',
    }
    const known = request.headers['if-none-match'] === '"1"'
    response.writeHead(known ? 304 : 200, headers).end(known ? undefined : BODY)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => {
    process.send?.(/** @type {import('node:net').AddressInfo} */ (server.address()).port)
  })
}

async function main() {
  const server = fork(import.meta.filename, ['serve'])
  const [port] = await once(server, 'message')
  const url = `http://127.0.0.1:${port}`
  const cacheDir = await fs.mkdtemp(path.join(os.tmpdir(), 'bench-client-'))
  const client = new OptimizedGitHubClient(url, { cacheDir })
  const undici = await peer('undici')
  const plain = new undici.Agent()
  const cached = plain.compose(undici.interceptors.cache({ type: 'private' }))
  const ours = async (/** @type {string} */ target, /** @type {RequestInit} */ init = {}) =>
    (await client.fetch(target, init)).json()
  const theirs = async (/** @type {string} */ target, dispatcher = cached) =>
    (await undici.fetch(target, { dispatcher })).json()
  const bare = async () => {
    const headers = { 'if-none-match': '"1"' }
    const { body } = await undici.request(`${url}/stale`, { dispatcher: plain, headers })
    await body.dump()
  }

  console.log(`JSON of ${BODY.length} bytes, us each: median of ${ROUNDS} rounds (best)`)
  await compare('cold, one by one', 300, 1, {
    'client.fetch': () => ours(`${url}/fresh`, { cache: 'no-store' }),
    'undici fetch': () => theirs(`${url}/fresh`, plain),
  })
  await compare('cold, 20 in flight', 1000, 20, {
    'client.fetch': () => ours(`${url}/fresh`, { cache: 'no-store' }),
    'undici fetch': () => theirs(`${url}/fresh`, plain),
  })
  await compare('fresh hit', 1000, 1, {
    'client.fetch': () => ours(`${url}/fresh`),
    'undici cache interceptor': () => theirs(`${url}/fresh`),
    'JSON.parse alone': async () => JSON.parse(BODY),
  })
  await compare('fresh hit, body unread', 2000, 1, {
    'client.fetch': () => client.fetch(`${url}/fresh`),
    'undici cache interceptor': async () => {
      const response = await undici.fetch(`${url}/fresh`, { dispatcher: cached })
      await response.body.cancel()
    },
  })
  await compare('revalidated by a 304', 300, 1, {
    'client.fetch': () => ours(`${url}/stale`),
    'undici cache interceptor': () => theirs(`${url}/stale`),
    'undici request, a bare 304': bare,
  })
  server.kill()
  await plain.close()
  await fs.rm(cacheDir, { recursive: true })
}

/**
 * @param {string} title
 * @param {number} count
 * @param {number} width how many in flight
 * @param {Record<string, () => Promise<unknown>>} contenders
 */
async function compare(title, count, width, contenders) {
  /** @type {Record<string, number[]>} */
  const times = {}
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, work] of Object.entries(contenders)) {
      const started = performance.now()
      let left = count
      const lane = async () => {
        while (left-- > 0) await work()
      }
      await Promise.all(Array.from({ length: width }, lane))
      const each = ((performance.now() - started) / count) * 1000
      // The first round warms up.
      if (round > 0) times[name] = [...(times[name] ?? []), each]
    }
  }
  console.log(`\n${title}`)
  for (const [name, all] of Object.entries(times)) {
    all.sort((a, b) => a - b)
    const median = all[Math.floor(all.length / 2)]
    console.log(`  ${name.padEnd(28)} ${median.toFixed(1).padStart(8)} (${all[0].toFixed(1)})`)
  }
}
