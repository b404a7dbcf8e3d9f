// @ts-check
// What an HTTP cache has to know about GitHub in particular.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { memoryTree, startGitHubServer } from './support/github-server.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/** @param {Response} response */
const served = (response) => response.headers.get('x-aiwf-cache')

const VARY = 'Accept, Authorization, Cookie, X-GitHub-OTP'

test('private answers to a token are cached as GitHub sends them, apart by token', async (t) => {
  const repositories = { 'o/r': memoryTree({ 'a.txt': 'a' }) }
  const server = await startGitHubServer({ repositories, token: 'first' })
  t.after(() => server.close())
  const cacheDir = join(await workspace(t), 'cache')
  const first = new OptimizedGitHubClient(server.url, { cacheDir, token: 'first' })
  const response = await first.fetch('/repos/o/r')
  assert.match(String(response.headers.get('cache-control')), /private/)
  await response.text()
  assert.equal(served(await first.fetch('/repos/o/r')), 'hit')
  // Who may not see it finds nothing, and what he is told does not reach the other.
  const other = new OptimizedGitHubClient(server.url, { cacheDir, token: 'other' })
  assert.equal((await other.fetch('/repos/o/r')).status, 404)
  assert.equal(served(await first.fetch('/repos/o/r')), 'hit')
  assert.equal(server.served.total, 2)
  for (const name of await readdir(cacheDir, { recursive: true })) {
    const bytes = await readFile(join(cacheDir, name), 'latin1').catch(() => '')
    assert.doesNotMatch(bytes, /Bearer|\bfirst\b/)
  }
})

test('x-poll-interval is obeyed', async (t) => {
  const { url, requests } = await serve(t, (_, response) => {
    response.writeHead(200, {
      'cache-control': 'private, max-age=0',
      etag: '"1"',
      'x-poll-interval': '60',
    })
    response.end('[]')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir: join(await workspace(t), 'cache') })
  await (await client.fetch('/events')).text()
  assert.equal(served(await client.fetch('/events')), 'hit')
  assert.equal(requests.length, 1)
})

test('the Link of a 304 counts; without one the stored Link stays', async (t) => {
  let link = '<https://api.github.com/x?page=2>; rel="next"'
  const { url } = await serve(t, (request, response) => {
    const known = request.headers['if-none-match'] === '"1"'
    /** @type {Record<string, string>} */
    const headers = { 'cache-control': 'max-age=0', etag: '"1"' }
    if (link) headers.link = link
    response.writeHead(known ? 304 : 200, headers).end(known ? undefined : '[]')
  })
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(url, { cacheDir })
  const links = []
  for (const next of ['page=2', 'page=3', '', '']) {
    link = next && `<https://api.github.com/x?${next}>; rel="next"`
    const response = await client.fetch('/x')
    links.push(/page=\d/.exec(String(response.headers.get('link')))?.[0])
    assert.equal(await response.text(), '[]')
  }
  assert.deepEqual(links, ['page=2', 'page=3', 'page=3', 'page=3'])
})

/**
 * A server whose ETags are made as GitHub's seem to be.
 *
 * @param {import('node:test').TestContext} t
 * @param {(who: string) => string} content
 * @param {(etag: string) => string} [disguise]
 */
async function etagServer(t, content, disguise = (etag) => etag) {
  return serve(t, (request, response) => {
    const { accept, authorization = '', cookie } = request.headers
    const body = content(authorization)
    const hash = createHash('sha256')
    for (const value of [accept, authorization, cookie]) if (value) hash.update(`${value}:`)
    const etag = `"${disguise(hash.update(body).digest('hex'))}"`
    const known = request.headers['if-none-match'] === etag
    const headers = { 'cache-control': 'private, max-age=60', vary: VARY, etag, 'x-who': 'you' }
    response.writeHead(known ? 304 : 200, { ...headers, 'x-user': authorization.slice(-1) })
    response.end(known ? undefined : body)
  })
}

test('validation survives a new token where that is asked for', async (t) => {
  const { url, requests } = await etagServer(t, () => '{"a":1}')
  const cacheDir = join(await workspace(t), 'cache')
  const ask = async (/** @type {string} */ token, validateAcrossTokens = true) => {
    const client = new OptimizedGitHubClient(url, { cacheDir, token, validateAcrossTokens })
    const response = await client.fetch('/x', { headers: { accept: 'application/json' } })
    assert.deepEqual(await response.json(), { a: 1 })
    return [served(response), response.headers.get('x-user')]
  }
  assert.deepEqual(await ask('token-1'), ['miss', '1'])
  assert.deepEqual(await ask('token-2'), ['revalidated', '2'])
  assert.deepEqual(await ask('token-3', false), ['miss', '3'])
  assert.deepEqual(await ask('token-2'), ['hit', '2'])
  assert.deepEqual(await ask('token-4'), ['revalidated', '4'])
  assert.deepEqual(
    requests.map((request) => request.headers['if-none-match'] !== undefined),
    [false, true, false, true],
  )
  // Who sends none has nothing to validate with.
  const anonymous = new OptimizedGitHubClient(url, { cacheDir, validateAcrossTokens: true })
  assert.equal(served(await anonymous.fetch('/x')), 'miss')
})

test('where the guess is wrong, or the content another, the answer is a plain one', async (t) => {
  for (const disguise of [
    (/** @type {string} */ etag) => `v2-${etag}`,
    (/** @type {string} */ etag) => etag,
  ]) {
    const { url } = await etagServer(t, (who) => JSON.stringify({ who }), disguise)
    const cacheDir = join(await workspace(t), 'cache')
    for (const token of ['token-1', 'token-2']) {
      const client = new OptimizedGitHubClient(url, { cacheDir, token, validateAcrossTokens: true })
      const response = await client.fetch('/x')
      assert.equal(served(response), 'miss')
      assert.deepEqual(await response.json(), { who: `Bearer ${token}` })
    }
  }
})

test('what a new token is told leaves out no further pages', async (t) => {
  const hash = (/** @type {string} */ authorization) =>
    `"${createHash('sha256').update(`${authorization}:{}`).digest('hex')}"`
  const { url, requests } = await serve(t, (request, response) => {
    const etag = hash(request.headers.authorization ?? '')
    const known = request.headers['if-none-match'] === etag
    response.setHeader('etag', etag)
    if (!known) response.setHeader('link', '</x?page=2>; rel="next"')
    response.writeHead(known ? 304 : 200).end(known ? undefined : '{}')
  })
  const cacheDir = join(await workspace(t), 'cache')
  for (const token of ['token-1', 'token-2']) {
    const client = new OptimizedGitHubClient(url, { cacheDir, token, validateAcrossTokens: true })
    const response = await client.fetch('/x')
    assert.match(String(response.headers.get('link')), /next/)
    await response.text()
  }
  assert.deepEqual(
    requests.map((request) => request.headers['if-none-match'] !== undefined),
    [false, true, false],
  )
})

test('who may no longer see something gets it from no cache', async (t) => {
  let status = 200
  const { url } = await serve(t, (_, response) => {
    const headers = { 'cache-control': 'max-age=0, stale-if-error=600' }
    if (status !== 200) return response.writeHead(status).end()
    response.writeHead(status, headers).end('secret')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir: await workspace(t), offline: 'auto' })
  await (await client.fetch('/')).text()
  status = 403
  assert.equal((await client.fetch('/')).status, 403)
  assert.equal((await client.fetch('/', { cache: 'only-if-cached' })).status, 504)
})

test('that something is gone is stored in its place', async (t) => {
  const { url, requests } = await serve(t, (_, response, count) => {
    const found = count === 1
    response.writeHead(found ? 200 : 404, {
      etag: '"1"',
      'cache-control': `max-age=${found ? 0 : 60}`,
    })
    response.end(found ? 'here' : 'gone')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir: await workspace(t) })
  for (const expected of ['here', 'gone', 'gone']) {
    assert.equal(await (await client.fetch('/')).text(), expected)
  }
  assert.equal(requests.length, 2)
})
