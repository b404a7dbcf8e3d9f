// @ts-check
// GitHub's limits as a client meets them. The rules themselves are simulated in virtual time in Rust.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Octokit } from '@octokit/rest'
import { OptimizedGitHubClient, RateLimiter } from '../lib/cache-system.js'
import { memoryTree, startGitHubServer } from './support/github-server.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/** @typedef {import('../lib/cache-system.js').GitHubClientOptions} Options */

/**
 * A loopback GitHub, and a maker of clients for it that have no limit of their own.
 *
 * @param {import('node:test').TestContext} t
 * @param {Partial<import('./support/github-server.mjs').ServerOptions>} [serverOptions]
 */
async function setUp(t, serverOptions) {
  const repositories = { 'o/r': memoryTree({ 'a.txt': 'a' }) }
  const server = await startGitHubServer({ repositories, ...serverOptions })
  t.after(() => server.close())
  const folder = await workspace(t)
  let count = 0
  const connect = (/** @type {Options} */ options = {}) => {
    const cacheDir = join(folder, String(count++))
    const client = new OptimizedGitHubClient(server.url, { cacheDir, ttl: 0, ...options })
    client.rateLimiter = new RateLimiter(1e6, 1)
    /** @type {import('../lib/cache-system.js').RateLimitInfo[]} */
    const told = []
    client.on('rateLimit', (info) => told.push(info))
    return { client, told }
  }
  return { server, connect }
}

const commits = (/** @type {number} */ page) => `/repos/o/r/commits?per_page=1&page=${page}`

test('what GitHub says is left is told, and nothing is asked once it is used up', async (t) => {
  const { server, connect } = await setUp(t, { rateLimit: { limit: 3, windowMs: 3_600_000 } })
  const { client, told } = connect()
  for (const page of [1, 2, 3]) await client.cachedFetch(commits(page))
  const { github } = client.getStats().rateLimit
  const { reset, ...core } = github.resources.core
  assert.deepEqual(core, { limit: 3, remaining: 0, used: 3 })
  assert.ok(Math.abs(reset - Date.now() - 3_600_000) < 60_000)
  for (const ask of [() => client.cachedFetch(commits(4)), () => client.fetch(commits(4))]) {
    await assert.rejects(ask, (/** @type {any} */ error) => {
      assert.equal(error.code, 'ERR_AIWF_RATE_LIMITED')
      assert.equal(error.resource, 'core')
      assert.equal(error.reset, reset)
      assert.ok(error.retryAfter > 3_500_000 && error.retryAfter < 3_700_000)
      assert.equal(error.status, undefined)
      assert.match(error.stack, /github-limits\.test\.mjs/)
      return true
    })
  }
  assert.equal(server.served.api, 3)
  assert.equal(told.length, 1)
  assert.deepEqual(
    { ...told[0], retryAfter: 0 },
    { kind: 'primary', resource: 'core', limit: 3, remaining: 0, used: 3, reset, retryAfter: 0 },
  )
  // What says how much is left costs nothing, and another host has nothing to do with it.
  assert.equal((await client.cachedFetch('/rate_limit')).rate.remaining, 0)
  assert.equal(server.served.rateLimited, 0)
})

test('a hundred at once cause no refusal where the first answer could have told', async (t) => {
  const { server, connect } = await setUp(t, { rateLimit: { limit: 20, windowMs: 3_600_000 } })
  const { client } = connect({ pointsPerMinute: 900, onRateLimit: 'throw' })
  const pages = Array.from({ length: 100 }, (_, page) => commits(page + 1))
  const results = await client.batchRequest(pages, { batchSize: 100 })
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 20)
  assert.equal(server.served.api, 20)
  assert.equal(server.served.rateLimited, 0)
})

test('the budget is that of the token, whichever client it is used by', async (t) => {
  const { server, connect } = await setUp(t, { rateLimit: { limit: 2, windowMs: 3_600_000 } })
  await connect({ token: 'mine' }).client.cachedFetch(commits(1))
  await connect({ token: 'mine' }).client.fetch(commits(2))
  await assert.rejects(connect({ token: 'mine' }).client.cachedFetch(commits(3)), {
    code: 'ERR_AIWF_RATE_LIMITED',
  })
  assert.equal(server.served.api, 2)
  // The server has one window for all, and refuses; this client could not know.
  await assert.rejects(connect({ token: 'theirs' }).client.cachedFetch(commits(3)), {
    code: 'ERR_AIWF_HTTP_STATUS',
    status: 403,
  })
  assert.equal(server.served.api, 3)
})

test('a client that waits asks again when the time has come', async (t) => {
  const { server, connect } = await setUp(t)
  for (const secondary of /** @type {const} */ (['with-headers', undefined])) {
    const refusal = secondary
      ? { secondary, retryAfter: 1 }
      : { status: 429, headers: { 'retry-after': '1' } }
    server.inject(refusal)
    const { client, told } = connect({ onRateLimit: 'wait', token: String(secondary) })
    const started = performance.now()
    assert.equal((await client.cachedFetch('/repos/o/r')).full_name, 'o/r')
    assert.ok(performance.now() - started >= 990)
    assert.deepEqual(
      told.map(({ kind, retryAfter }) => [kind, Math.round(retryAfter / 1000)]),
      [['secondary', 1]],
    )
  }
})

test('a pause holds all who use the token, and a signal ends the waiting', async (t) => {
  const { server, connect } = await setUp(t)
  const { client } = connect({ onRateLimit: 'wait' })
  const other = connect({ onRateLimit: 'wait' })
  server.inject({ secondary: 'without-headers' })
  const controller = new AbortController()
  const { signal } = controller
  const first = client.fetch('/repos/o/r', { signal })
  first.catch(() => {})
  while (client.getStats().rateLimit.github.pausedFor === undefined) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const blocked = [first, client.cachedFetch('/repos/o/r', { signal })]
  const settled = Promise.allSettled(blocked)
  const held = other.client.fetch(commits(1), { signal })
  const { pausedFor = 0 } = client.getStats().rateLimit.github
  assert.ok(pausedFor > 50_000 && pausedFor <= 60_000)
  while (client.getStats().rateLimit.github.waiting < 3) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  controller.abort(new Error('enough'))
  await assert.rejects(held, { message: 'enough' })
  for (const { reason } of /** @type {PromiseRejectedResult[]} */ (await settled)) {
    assert.equal(reason.message, 'enough')
  }
  while (client.getStats().rateLimit.github.waiting > 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(server.served.api <= 2)
  assert.equal(other.told.length, 1)
  assert.equal(other.told[0].kind, 'secondary')
})

test('a client that throws says so of answers too; by default they are handed on', async (t) => {
  const { server, connect } = await setUp(t)
  server.inject({ secondary: 'with-headers', times: 1 })
  await assert.rejects(connect({ onRateLimit: 'throw', token: 'a' }).client.fetch('/repos/o/r'), {
    code: 'ERR_AIWF_RATE_LIMITED',
    status: 403,
    resource: 'core',
  })
  server.inject({ secondary: 'without-headers', times: 1 })
  const { client, told } = connect({ token: 'b' })
  const response = await client.fetch('/repos/o/r')
  assert.equal(response.status, 403)
  assert.match((await response.json()).message, /secondary rate limit/)
  assert.equal(told.length, 1)
  // A 403 that is about permissions is not a limit.
  server.inject({ status: 403, body: { message: 'Resource not accessible by integration' } })
  const free = connect({ onRateLimit: 'wait', token: 'c' })
  await assert.rejects(free.client.cachedFetch('/repos/o/r'), { status: 403 })
  assert.deepEqual(free.told, [])
})

test('at most as many are under way as GitHub allows, their bodies included', async (t) => {
  let [open, most] = [0, 0]
  const { url } = await serve(t, (_, response) => {
    most = Math.max(most, ++open)
    response.on('close', () => open--)
    setTimeout(() => response.end('{}'), 2)
  })
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(url, { cacheDir, maxConcurrent: 4 })
  const all = Array.from({ length: 30 }, (_, index) => client.fetch(`/${index}`))
  for (const response of await Promise.all(all)) assert.equal(response.status, 200)
  assert.ok(most <= 4 && most > 1, String(most))
})

test('writes count for five, in the pace that GitHub documents', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.end('{}'))
  const cacheDir = join(await workspace(t), 'cache')
  // The bucket of 90 holds 10: a read, then one write, then nothing that costs more than four.
  const client = new OptimizedGitHubClient(url, { cacheDir, pointsPerMinute: 90 })
  await client.fetch('/1')
  await client.fetch('/1', { method: 'POST', body: '1' })
  const signal = AbortSignal.timeout(100)
  const late = client.fetch('/1', { method: 'POST', body: '2', signal })
  await assert.rejects(late, { name: 'TimeoutError' })
  assert.deepEqual(
    requests.map(({ method, body }) => [method, body]),
    [
      ['GET', ''],
      ['POST', '1'],
    ],
  )
})

test('resources have budgets of their own', async (t) => {
  const { url, requests } = await serve(t, (request, response) => {
    const search = request.url?.startsWith('/search')
    response.writeHead(200, {
      'x-ratelimit-limit': '30',
      'x-ratelimit-remaining': search ? '0' : '29',
      'x-ratelimit-used': search ? '30' : '1',
      'x-ratelimit-reset': String(Math.ceil(Date.now() / 1000) + 60),
      'x-ratelimit-resource': search ? 'search' : 'core',
    })
    response.end('{}')
  })
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(url, { cacheDir })
  await client.fetch('/search/issues?q=a')
  await assert.rejects(client.fetch('/search/issues?q=b'), { resource: 'search' })
  await client.fetch('/repos/o/r')
  assert.equal(requests.length, 2)
  const { resources } = client.getStats().rateLimit.github
  assert.deepEqual(Object.keys(resources).sort(), ['core', 'search'])
})

test('the listing of a download counts, its raw files do not', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`${index}.txt`, 'x']))
  const { server, connect } = await setUp(t, {
    repositories: { 'o/r': memoryTree(files) },
    rateLimit: { limit: 3, windowMs: 3_600_000 },
  })
  const { client } = connect({ token: 'download', onRateLimit: 'throw' })
  const { downloaded, apiCalls, failures } = await client.downloadDirectory(
    'o/r',
    '',
    join(await workspace(t), 'out'),
  )
  assert.deepEqual([downloaded, failures], [8, []])
  assert.equal(server.served.raw, 8)
  assert.equal(client.getStats().rateLimit.github.resources.core.used, apiCalls)
  for (let page = apiCalls; page < 3; page++) await client.cachedFetch(commits(page))
  assert.equal(client.getStats().rateLimit.github.resources.core.remaining, 0)
  const next = client.downloadDirectory('o/r', '', join(await workspace(t), 'out'))
  await assert.rejects(next, { code: 'ERR_AIWF_RATE_LIMITED' })
})

test('Octokit gets refusals as it knows them', async (t) => {
  const { server, connect } = await setUp(t)
  const { client } = connect({ token: 'octokit' })
  const octokit = new Octokit({
    baseUrl: server.url,
    request: { fetch: client.fetch },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  })
  server.inject({ secondary: 'with-headers' })
  await assert.rejects(octokit.rest.repos.get({ owner: 'o', repo: 'r' }), { status: 403 })
})

test('a request that can’t be made fails alone', async (t) => {
  const { server, connect } = await setUp(t)
  const { client } = connect({ pointsPerMinute: 900 })
  const headers = { 'x-broken': 'a\nb' }
  const results = await Promise.allSettled([
    client.cachedFetch(commits(1), { headers }),
    client.cachedFetch(commits(2)),
    client.cachedFetch(commits(3), { headers }),
    client.cachedFetch(commits(4)),
  ])
  assert.deepEqual(
    results.map((result) => result.status === 'rejected' && result.reason.code),
    ['ERR_AIWF_INVALID_REQUEST', false, 'ERR_AIWF_INVALID_REQUEST', false],
  )
  assert.equal(server.served.api, 2)
})

test('the timeout of a request counts while it waits for its turn', {
  timeout: 10_000,
}, async (t) => {
  const { url, requests } = await serve(t, () => {})
  const client = new OptimizedGitHubClient(url, {
    cacheDir: await workspace(t),
    pointsPerMinute: 900,
  })
  const first = new AbortController()
  const hanging = client.cachedFetch('/first', { signal: first.signal })
  const queued = client.cachedFetch('/second', { timeout: 50 })
  await assert.rejects(queued, { code: 'ERR_AIWF_TIMEOUT', message: /turn/ })
  first.abort()
  await assert.rejects(hanging, { name: 'AbortError' })
  assert.deepEqual(
    requests.map((request) => request.url),
    ['/first'],
  )
})

test('a reset that is no time to wait for keeps nobody out', async (t) => {
  const { url, requests } = await serve(t, (_, response) => {
    response.writeHead(200, {
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(Date.now() + 60_000),
    })
    response.end('{}')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir: await workspace(t) })
  for (const path of ['/1', '/2']) await client.cachedFetch(path)
  assert.equal(requests.length, 2)
})
