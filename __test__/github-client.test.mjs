// @ts-check
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptimizedGitHubClient, RateLimiter } from '../lib/cache-system.js'
import { memoryTree, startGitHubServer } from './support/github-server.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

const FILES = { 'README.md': '# Hello\n', 'src/a.js': 'a', 'src/deep/b.js': 'b' }

/**
 * A server, and a client with a cache of its own.
 *
 * @param {import('node:test').TestContext} t
 * @param {Partial<import('./support/github-server.mjs').ServerOptions>} [serverOptions]
 * @param {import('../lib/cache-system.js').GitHubClientOptions} [clientOptions]
 */
async function setUp(t, serverOptions, clientOptions) {
  const server = await startGitHubServer({
    repositories: { 'o/r': memoryTree(FILES) },
    ...serverOptions,
  })
  t.after(() => server.close())
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(server.url, { cacheDir, ...clientOptions })
  await client.init()
  return { server, client, cacheDir }
}

test('cachedFetch asks once and then answers from the cache, in this process and the next', async (t) => {
  const { server, client, cacheDir } = await setUp(t)
  const url = `${server.url}/repos/o/r`
  const first = await client.cachedFetch(url)
  assert.equal(first.full_name, 'o/r')
  assert.equal(await client.cachedFetch(url), first)
  const next = new OptimizedGitHubClient(server.url, { cacheDir })
  await next.init()
  assert.deepEqual(await next.cachedFetch('repos/o/r'), first)
  assert.equal(server.served.total, 1)
  assert.equal(server.requests[0].headers['user-agent'], 'aiwf')
  const stats = client.getStats()
  assert.equal(stats.cache.hits, 1)
  assert.equal(/** @type {any} */ (stats.rateLimit).totalRequests, 1)
})

test('a hundred callers at once cause one request', async (t) => {
  const { server, client } = await setUp(t)
  const all = await Promise.all(Array.from({ length: 100 }, () => client.cachedFetch('/repos/o/r')))
  assert.equal(new Set(all).size, 1)
  assert.equal(server.served.total, 1)
})

test('a status outside 2xx is a typed error and is not cached', async (t) => {
  const { server, client } = await setUp(t)
  const url = `${server.url}/repos/o/none?secret=1`
  for (let attempt = 1; attempt <= 2; attempt++) {
    await assert.rejects(client.cachedFetch(url), (/** @type {any} */ error) => {
      assert.equal(Object.getPrototypeOf(error), Error.prototype)
      assert.equal(error.message, 'HTTP 404: Not Found')
      assert.equal(error.code, 'ERR_AIWF_HTTP_STATUS')
      assert.equal(error.status, 404)
      assert.equal(error.url, `${server.url}/repos/o/none`)
      assert.match(error.headers['content-type'], /json/)
      assert.equal(JSON.parse(error.body).message, 'Not Found')
      return true
    })
    assert.equal(server.served.total, attempt)
  }
})

test('the token goes to its own host only, and no error tells it', async (t) => {
  const { server, client } = await setUp(t, { token: 's3cret' }, { token: 's3cret' })
  const other = await startGitHubServer({ repositories: {} })
  t.after(() => other.close())
  await client.cachedFetch('/repos/o/r')
  assert.equal(server.requests[0].headers.authorization, 'Bearer s3cret')
  await assert.rejects(client.cachedFetch(`${other.url}/repos/o/r`), (/** @type {any} */ error) => {
    assert.doesNotMatch(
      JSON.stringify({ ...error, message: error.message, stack: error.stack }),
      /s3cret/,
    )
    return true
  })
  assert.equal(other.requests[0].headers.authorization, undefined)

  server.inject({ status: 302, headers: { location: `${other.url}/repos/o/r` } })
  await assert.rejects(client.cachedFetch('/repos/o/r?redirected'))
  assert.equal(other.requests[1].headers.authorization, undefined)
})

test('relative URLs start from the base, and the last of equal headers is sent', async (t) => {
  const { server, client } = await setUp(t, {}, { token: 'ours' })
  const below = new OptimizedGitHubClient(`${server.url}/api/v3/`, {
    cacheDir: client.cache.cacheDir,
  })
  await assert.rejects(below.cachedFetch('/repos/o/r'), { url: `${server.url}/api/v3/repos/o/r` })
  server.reset()
  const headers = { authorization: 'Bearer theirs', 'user-agent': 'theirs' }
  await client.cachedFetch('/repos/o/r', { headers })
  assert.equal(server.requests[0].headers.authorization, 'Bearer theirs')
  assert.equal(server.requests[0].headers['user-agent'], 'theirs')
})

test('requests other than GET and HEAD are not cached; HEAD does not stand in for GET', async (t) => {
  const { server, client } = await setUp(t)
  server.inject({
    match: ({ method }) => method === 'POST',
    times: 2,
    status: 201,
    body: { made: true },
  })
  for (let count = 1; count <= 2; count++) {
    const options = {
      method: 'post',
      body: '{"a":1}',
      headers: { 'Content-Type': 'application/json' },
    }
    assert.deepEqual(await client.cachedFetch('/repos/o/r/issues', options), { made: true })
    assert.equal(server.served.total, count)
  }
  assert.equal(await client.cachedFetch('/repos/o/r', { method: 'HEAD' }), null)
  assert.equal((await client.cachedFetch('/repos/o/r')).full_name, 'o/r')
})

test('batchRequest keeps the order, the bound, and each failure apart', async (t) => {
  const { server, client } = await setUp(t)
  server.inject({ match: 'page=', times: Number.POSITIVE_INFINITY, latencyMs: 5 })
  const urls = Array.from(
    { length: 12 },
    (_, page) => `/repos/o/r/commits?per_page=1&page=${page + 1}`,
  )
  urls[3] = '/repos/o/none'
  const results = await client.batchRequest(urls, { batchSize: 3 })
  assert.deepEqual(
    results.map(({ status }) => status === 'rejected'),
    urls.map((_, index) => index === 3),
  )
  const direct = await client.cachedFetch(urls[7])
  assert.equal(/** @type {any} */ (results[7]).value, direct)
  assert.ok(server.served.maxConcurrent <= 3)
  assert.deepEqual(await client.batchRequest([]), [])
  await assert.rejects(client.batchRequest(/** @type {any} */ ('/repos/o/r')), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
})

test('an overridden cachedFetch and a replaced rate limiter are the ones that are used', async (t) => {
  const { server } = await setUp(t)
  const cacheDir = join(await workspace(t), 'cache')
  /** @type {string[]} */
  const fetched = []
  class Watched extends OptimizedGitHubClient {
    /** @param {string} url @param {any} [options] */
    async cachedFetch(url, options) {
      fetched.push(url)
      return super.cachedFetch(url, options)
    }
  }
  const client = new Watched(server.url, { cacheDir })
  let waits = 0
  client.rateLimiter = { waitForNext: async () => void waits++ }
  await client.getFileContent('o/r', 'README.md')
  await client.getFileContent('o/r', 'README.md')
  const listing = await client.getDirectoryStructure('o/r')
  assert.deepEqual(
    listing.map((/** @type {any} */ { name }) => name),
    ['README.md', 'src'],
  )
  await client.batchRequest([`${server.url}/rate_limit`])
  assert.equal(fetched.length, 4)
  assert.equal(waits, 3)

  class Slow extends RateLimiter {
    async waitForNext() {
      waits += 10
      return super.waitForNext()
    }
  }
  client.rateLimiter = new Slow(1, 1)
  await client.cachedFetch(`${server.url}/repos/o/r`)
  assert.equal(waits, 13)
})

test('broken answers are typed errors and never cached', async (t) => {
  const { server, client } = await setUp(t)
  const url = '/repos/o/r'
  /** @type {[import('./support/github-server.mjs').Rule, string][]} */
  const faults = [
    [{ truncateAt: 10 }, 'ERR_AIWF_RESET'],
    [{ reset: true }, 'ERR_AIWF_RESET'],
    [
      { body: '{"half":', headers: { 'content-type': 'application/json' } },
      'ERR_AIWF_INVALID_JSON',
    ],
    [{ headers: { 'content-encoding': 'gzip' } }, 'ERR_AIWF_PROTOCOL'],
    [{ status: 302, headers: { location: url }, times: 20 }, 'ERR_AIWF_REDIRECT'],
  ]
  for (const [rule, code] of faults) {
    const handle = server.inject(rule)
    await assert.rejects(client.cachedFetch(url), { code }, code)
    handle.remove()
  }
  server.inject({ body: '\ufeff{"marked":true}' })
  assert.deepEqual(await client.cachedFetch(`${url}?marked`), { marked: true })
  assert.equal((await client.cachedFetch(url)).full_name, 'o/r')
})

test('a server that hangs is left at the timeout, or when the signal says so', async (t) => {
  const { server, client } = await setUp(t)
  server.inject({ hang: true, times: 2 })
  await assert.rejects(client.cachedFetch('/repos/o/r', { timeout: 30 }), {
    code: 'ERR_AIWF_TIMEOUT',
  })
  const controller = new AbortController()
  const pending = client.cachedFetch('/repos/o/r?2', { signal: controller.signal, timeout: 60 })
  controller.abort(new Error('enough'))
  await assert.rejects(pending, { message: 'enough' })
  await assert.rejects(client.cachedFetch('/repos/o/r', { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  })
})

test('hosts that cannot be reached, and what is no URL, are told apart', async (t) => {
  const { client } = await setUp(t)
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (closed.address())
  closed.close()
  await once(closed, 'close')
  await assert.rejects(client.cachedFetch(`http://127.0.0.1:${port}/`), {
    code: 'ERR_AIWF_CONNECT',
  })
  await assert.rejects(client.cachedFetch('http://nowhere.invalid/'), { code: 'ERR_AIWF_DNS' })
  await assert.rejects(client.cachedFetch('file:///etc/passwd'), {
    name: 'TypeError',
    code: 'ERR_INVALID_URL',
  })
  await assert.rejects(client.cachedFetch('http://'), {
    name: 'TypeError',
    code: 'ERR_INVALID_URL',
  })
  await assert.rejects(client.cachedFetch(/** @type {any} */ (7)), { code: 'ERR_INVALID_ARG_TYPE' })
  const headers = { 'X-Bad': 'a\r\nInjected: b' }
  await assert.rejects(client.cachedFetch('/repos/o/r', { headers }), {
    code: 'ERR_AIWF_INVALID_REQUEST',
  })
})

test('asynchronous errors have the caller in their stack', async (t) => {
  const { client } = await setUp(t)
  await assert.rejects(client.cachedFetch('/repos/o/none'), (/** @type {any} */ error) => {
    assert.match(error.stack, /github-client\.test\.mjs/)
    return true
  })
})

test('an expired answer is asked for only if it has changed', async (t) => {
  let version = 1
  const { url, requests } = await serve(t, (request, response) => {
    const etag = `"v${version}"`
    const known = request.headers['if-none-match'] === etag
    // The first 304 repeats the ETag, the second does not.
    const headers = known && requests.length > 2 ? {} : { etag }
    response
      .writeHead(known ? 304 : 200, headers)
      .end(known ? undefined : JSON.stringify({ version }))
  })
  const cacheDir = join(await workspace(t), 'cache')
  const asked = async (/** @type {any} */ headers = undefined) => {
    const client = new OptimizedGitHubClient(url, { cacheDir, ttl: 0 })
    return (await client.cachedFetch('/x', { headers })).version
  }
  assert.equal(await asked(), 1)
  assert.deepEqual([await asked(), await asked(), await asked()], [1, 1, 1])
  version = 2
  assert.deepEqual([await asked(), await asked()], [2, 2])
  assert.deepEqual(
    requests.map((request) => request.headers['if-none-match']),
    [undefined, '"v1"', '"v1"', '"v1"', '"v1"', '"v2"'],
  )
  await assert.rejects(asked({ 'If-None-Match': '"v2"' }), { status: 304 })
})

test('answers are fresh for as long as their content type says', async (t) => {
  const { url, requests } = await serve(t, (request, response) => {
    const type = request.url === '/short' ? 'application/geo+json' : 'application/json'
    response.writeHead(200, { 'content-type': type, 'cache-control': 'max-age=0' }).end('{}')
  })
  const client = new OptimizedGitHubClient(url, {
    cacheDir: join(await workspace(t), 'cache'),
    ttlByContentType: { 'application/geo+json': 0 },
  })
  for (const path of ['/short', '/long', '/short', '/long']) await client.cachedFetch(path)
  assert.deepEqual(
    requests.map((request) => request.url),
    ['/short', '/long', '/short'],
  )
})

test('a refusal of a host that is not GitHub says nothing of the next request', async (t) => {
  const { url } = await serve(t, (request, response) => {
    response.writeHead(request.url === '/x' ? 429 : 200).end('{}')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir: join(await workspace(t), 'cache') })
  await assert.rejects(client.cachedFetch('/x'), { code: 'ERR_AIWF_HTTP_STATUS', status: 429 })
  await assert.rejects(client.cachedFetch('/x'), { code: 'ERR_AIWF_HTTP_STATUS', status: 429 })
  assert.deepEqual(await client.cachedFetch('/y'), {})
})

test('headers may be an instance of Headers', async (t) => {
  const { server, client } = await setUp(t)
  await client.cachedFetch('/repos/o/r', { headers: new Headers({ 'X-Mine': '1' }) })
  assert.equal(server.requests[0].headers['x-mine'], '1')
  assert.equal(server.requests[0].headers['user-agent'], 'aiwf')
})

test('with http the headers of the responses decide, for all that goes through cachedFetch', async (t) => {
  const { url, requests } = await serve(t, (request, response, count) => {
    const path = String(request.url)
    const known = request.headers['if-none-match'] === '"1"'
    const age = path.includes('fresh') ? 60 : 0
    const control = path.includes('unstored') ? 'no-store' : `private, max-age=${age}`
    response.writeHead(known ? 304 : 200, { 'cache-control': control, etag: '"1"' })
    response.end(known ? undefined : JSON.stringify({ count }))
  })
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(url, { cacheDir, http: true })
  const ask = async (/** @type {string} */ path) => (await client.cachedFetch(path)).count
  assert.deepEqual([await ask('/fresh'), await ask('/fresh')], [1, 1])
  assert.equal(requests.length, 1)
  const next = new OptimizedGitHubClient(url, { cacheDir, http: true })
  assert.equal((await next.cachedFetch('/fresh')).count, 1)
  assert.equal(/** @type {any} */ (next.getStats().rateLimit).totalRequests, 0)
  assert.deepEqual([await ask('/stale'), await ask('/stale')], [2, 2])
  assert.equal(requests[2].headers['if-none-match'], '"1"')
  assert.deepEqual([await ask('/unstored'), await ask('/unstored')], [4, 5])
  // `fetch` has the same store.
  const headers = { 'user-agent': 'aiwf' }
  assert.equal((await client.fetch('/fresh', { headers })).headers.get('x-aiwf-cache'), 'hit')
  const all = await Promise.all(Array.from({ length: 20 }, () => ask('/fresh/new')))
  assert.deepEqual(all, Array(20).fill(6))
  await client.getFileContent('o/r', 'fresh')
  await client.getDirectoryStructure('o/r', 'fresh')
  await client.batchRequest(['/repos/o/r/contents/fresh'])
  assert.equal(requests.length, 7)
  const signal = AbortSignal.abort(new Error('before'))
  await assert.rejects(client.cachedFetch('/fresh', { signal }), { message: 'before' })
})

test('a cached request that nobody wants any more is not made', async (t) => {
  const { server, client } = await setUp(t)
  client.rateLimiter = new RateLimiter(1, 1e9)
  await client.cachedFetch('/repos/o/r')
  const controller = new AbortController()
  const pending = client.cachedFetch('/repos/o/r?other', { signal: controller.signal })
  await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new Error('enough'))
  await assert.rejects(pending, { message: 'enough' })
  const limiter = /** @type {RateLimiter} */ (client.rateLimiter)
  limiter.maxRequests = 2
  await limiter.waitForNext()
  assert.equal(limiter.getStats().totalRequests, 2)
  assert.equal(server.served.total, 1)
})

test('a body is the bytes of its view, and null is none', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.end('{}'))
  const client = new OptimizedGitHubClient(url, { cacheDir: join(await workspace(t), 'cache') })
  const { buffer } = new TextEncoder().encode('abcdef')
  const sent = async (/** @type {any} */ body) => {
    await client.cachedFetch('/x', { method: 'POST', body })
    return requests.at(-1)?.body
  }
  assert.equal(await sent(new DataView(buffer, 1, 3)), 'bcd')
  assert.equal(await sent(new Uint16Array(buffer, 2, 2)), 'cdef')
  assert.equal(await sent(new Uint8Array(buffer, 4, 2)), 'ef')
  assert.equal(await sent('a'), 'a')
  assert.equal(await sent(null), '')
})

test('options of a request are checked, and a timeout of 0 is none', async (t) => {
  const { server, client } = await setUp(t)
  const url = '/repos/o/r'
  const wrong = { code: 'ERR_INVALID_ARG_TYPE' }
  await assert.rejects(client.cachedFetch(url, /** @type {any} */ ({ timeout: '5' })), wrong)
  await assert.rejects(client.cachedFetch(url, /** @type {any} */ ({ method: 5 })), wrong)
  await assert.rejects(client.cachedFetch(url, { timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(server.served.total, 0)
  assert.equal((await client.cachedFetch(url, { timeout: 0 })).full_name, 'o/r')
  assert.equal((await client.fetch(url, /** @type {any} */ (null))).status, 200)
})
