// @ts-check
// The HTTP client against undici, reqwest alone and the way of AIWF's JavaScript module, in turns, on a loopback server in
// a process of its own: node bench/client.mjs
import { execFileSync, fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import { createServer } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { OptimizedGitHubClient, RateLimiter } from '../lib/index.js'
import { peer } from './peer.mjs'

const ROUNDS = 7
const root = path.join(import.meta.dirname, '..')

/** Listings of so many files. */
const BODIES = { large: listing(260), small: listing(15) }

/** @param {number} length */
function listing(length) {
  const files = Array.from({ length }, (_, index) => ({
    id: index,
    name: `file-${index}.md`,
    url: 'x'.repeat(90),
  }))
  return JSON.stringify(files)
}

if (process.argv[2] === 'serve') serve()
else await main()

/** `/fresh` is good for an hour, `/stale` for no time at all; both have an ETag. */
function serve() {
  const server = createServer((request, response) => {
    const age = request.url?.startsWith('/fresh') ? 3600 : 0
    const body = request.url?.includes('small') ? BODIES.small : BODIES.large
    const headers = {
      'content-type': 'application/json',
      'cache-control': `private, max-age=${age}`,
      vary: 'Accept, Authorization',
      etag: '"1"',
    }
    const known = request.headers['if-none-match'] === '"1"'
    response.writeHead(known ? 304 : 200, headers).end(known ? undefined : body)
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
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'bench-client-'))
  const client = new OptimizedGitHubClient(url, { cacheDir: path.join(folder, 'ours') })
  client.rateLimiter = new RateLimiter(1e6, 1)
  const undici = await peer('undici')
  const plain = new undici.Agent()
  const cached = plain.compose(undici.interceptors.cache({ type: 'private' }))
  const ours = async (/** @type {string} */ target, /** @type {RequestInit} */ init = {}) =>
    (await client.fetch(target, init)).json()
  const theirs = async (/** @type {string} */ target, dispatcher = cached) =>
    (await undici.fetch(target, { dispatcher })).json()
  const unread = async (/** @type {string} */ target) => {
    const response = await undici.fetch(target, { dispatcher: cached })
    await response.body.cancel()
  }
  const plainly = await plainCache(path.join(folder, 'plain'))
  const reqwest = bare(`${url}/stale`)
  let serial = 0
  const unseen = () => `${url}/fresh?${serial++}`

  const cold = {
    'client.fetch': () => ours(`${url}/fresh`, { cache: 'no-store' }),
    'undici fetch': () => theirs(`${url}/fresh`, plain),
    'client.cachedFetch': () => client.cachedFetch(unseen()),
    'fetch, Map and JSON file': () => plainly(unseen()),
  }
  console.log(`us each: median of ${ROUNDS} rounds (best)`)
  console.log(`large: ${BODIES.large.length} bytes, small: ${BODIES.small.length}`)
  await compare('cold, large, one by one', 300, 1, cold)
  await compare('cold, large, 20 in flight', 1000, 20, cold)
  for (const size of /** @type {const} */ (['large', 'small'])) {
    const target = `${url}/fresh?${size}`
    await compare(`fresh hit, ${size}, parsed`, 2000, 1, {
      'client.fetch': () => ours(target),
      'undici cache interceptor': () => theirs(target),
      'JSON.parse alone': async () => JSON.parse(BODIES[size]),
    })
    await compare(`fresh hit, ${size}, unread`, 2000, 1, {
      'client.fetch': () => client.fetch(target),
      'undici cache interceptor': () => unread(target),
    })
  }
  await compare('revalidated by a 304, large', 300, 1, {
    'client.fetch, unread': () => client.fetch(`${url}/stale`),
    'client.fetch, parsed': () => ours(`${url}/stale`),
    'undici cache, unread': () => unread(`${url}/stale`),
    'undici cache, parsed': () => theirs(`${url}/stale`),
    'reqwest alone': reqwest,
  })
  reqwest.stop()
  server.kill()
  await plain.close()
  await fs.rm(folder, { recursive: true })
}

/**
 * What AIWF's module does for an answer it has not seen: the global fetch, a Map, a JSON file.
 *
 * @param {string} folder
 */
async function plainCache(folder) {
  await fs.mkdir(folder)
  const memory = new Map()
  return async (/** @type {string} */ url) => {
    const key = createHash('sha256')
      .update(JSON.stringify({ url, headers: {} }))
      .digest('hex')
    const data = await (await fetch(url)).json()
    const entry = { data, timestamp: Date.now() }
    memory.set(key, entry)
    await fs.writeFile(path.join(folder, `${key}.json`), JSON.stringify(entry))
    return data
  }
}

/**
 * `examples/bare_304.rs`, which times itself.
 *
 * @param {string} url
 */
function bare(url) {
  const build = ['build', '--release', '--locked', '--example', 'bare_304']
  execFileSync('cargo', build, { cwd: root, stdio: 'inherit' })
  const child = spawn(path.join(root, 'target/release/examples/bare_304'), [url, '"1"'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const timed = async (/** @type {number} */ count) => {
    child.stdin.write(`${count}\n`)
    return Number((await lines.next()).value)
  }
  return { timed, stop: () => child.stdin.end() }
}

/**
 * @param {string} title
 * @param {number} count
 * @param {number} width how many in flight
 * @param {Record<string, (() => Promise<unknown>) | { timed(count: number): Promise<number> }>} contenders
 */
async function compare(title, count, width, contenders) {
  /** @type {Record<string, number[]>} */
  const times = {}
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, work] of Object.entries(contenders)) {
      const each =
        typeof work === 'function' ? await time(work, count, width) : await work.timed(count)
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

/**
 * Microseconds each.
 *
 * @param {() => Promise<unknown>} work
 * @param {number} count
 * @param {number} width
 */
async function time(work, count, width) {
  const started = performance.now()
  let left = count
  const lane = async () => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: width }, lane))
  return ((performance.now() - started) / count) * 1000
}
