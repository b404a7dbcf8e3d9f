// @ts-check
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { Octokit } from '@octokit/rest'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { memoryTree, startGitHubServer } from './support/github-server.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/** @typedef {Parameters<typeof serve>[1]} Handler */

/**
 * @param {import('node:test').TestContext} t
 * @param {Handler} handler
 * @param {import('../lib/cache-system.js').GitHubClientOptions} [options]
 */
async function setUp(t, handler, options) {
  const { url, requests, server } = await serve(t, handler)
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(url, { cacheDir, ...options })
  return { url, requests, server, client, cacheDir }
}

/** @param {Response} response */
const served = (response) => response.headers.get('x-aiwf-cache')

/**
 * Answers with these headers and a body that counts the requests.
 *
 * @param {Record<string, string | string[]>} headers
 * @returns {Handler}
 */
const counting = (headers) => (_, response, count) => {
  response.writeHead(200, headers).end(`body ${count}`)
}

test('a fresh response is served again, by this client and the next', async (t) => {
  const { url, requests, client, cacheDir } = await setUp(
    t,
    counting({ 'cache-control': 'private, max-age=60', 'set-cookie': ['a=1', 'b=2'] }),
  )
  const first = await client.fetch(`${url}/x#part`)
  assert.equal(served(first), 'miss')
  assert.equal(await first.text(), 'body 1')
  const next = new OptimizedGitHubClient(url, { cacheDir })
  for (const fetch of [client.fetch, client.fetch, next.fetch, next.fetch]) {
    const again = await fetch('/x')
    assert.ok(again instanceof Response)
    assert.equal(served(again), 'hit')
    assert.equal(again.status, 200)
    assert.equal(again.statusText, 'OK')
    assert.equal(again.url, `${url}/x`)
    assert.equal(again.redirected, false)
    assert.match(String(again.headers.get('age')), /^\d+$/)
    // On disk they would lie in clear.
    const cookies = fetch === client.fetch ? ['a=1', 'b=2'] : []
    assert.deepEqual(again.headers.getSetCookie(), cookies)
    assert.equal(await again.text(), 'body 1')
  }
  assert.equal(requests.length, 1)
  assert.equal(requests[0].headers['user-agent'], 'aiwf')
})

test('a stale response is validated, and a 304 renews it', async (t) => {
  const { url, requests, client } = await setUp(t, (request, response, count) => {
    const headers = { etag: '"v1"', 'cache-control': 'max-age=0', 'x-count': String(count) }
    const known = request.headers['if-none-match'] === '"v1"'
    response.writeHead(known ? 304 : 200, headers).end(known ? undefined : 'content')
  })
  assert.equal(await (await client.fetch(url)).text(), 'content')
  for (const count of ['2', '3']) {
    const again = await client.fetch(url)
    assert.equal(served(again), 'revalidated')
    assert.equal(again.status, 200)
    assert.equal(again.headers.get('x-count'), count)
    assert.equal(await again.text(), 'content')
  }
  assert.equal(requests.length, 3)
})

test('entries of one credential are never served under another, and no token is at rest', async (t) => {
  const { client, requests, cacheDir } = await setUp(
    t,
    counting({ 'cache-control': 'max-age=60', vary: 'Authorization, Cookie' }),
  )
  const asked = async (/** @type {string} */ token) => {
    const response = await client.fetch('/x', {
      headers: { authorization: token, cookie: 'c00kie' },
    })
    return response.text()
  }
  assert.equal(await asked('Bearer s3cret'), 'body 1')
  assert.equal(await asked('Bearer 0ther'), 'body 2')
  assert.equal(await asked('Bearer s3cret'), 'body 1')
  assert.equal(await (await client.fetch('/x')).text(), 'body 3')
  assert.equal(requests.length, 3)
  const names = await readdir(cacheDir, { recursive: true })
  let files = 0
  for (const name of names) {
    const path = join(cacheDir, name)
    const { mode, isFile } = await stat(path).then((s) => ({ mode: s.mode, isFile: s.isFile() }))
    if (!isFile) continue
    files++
    if (process.platform !== 'win32') assert.equal(mode & 0o077, 0, name)
    assert.doesNotMatch(await readFile(path, 'latin1'), /s3cret|0ther|c00kie/)
  }
  assert.ok(files > 0)
})

test('unsafe methods reach the origin and outdate what is stored', async (t) => {
  const { client, requests } = await setUp(t, counting({ 'cache-control': 'max-age=60' }))
  await (await client.fetch('/x')).text()
  const posted = await client.fetch('/x', { method: 'post', body: 'a=1' })
  assert.equal(served(posted), 'bypass')
  await posted.text()
  assert.equal(requests[1].method, 'POST')
  assert.equal(requests[1].body, 'a=1')
  assert.equal(await (await client.fetch('/x')).text(), 'body 3')
})

test('Request objects, modes of the cache, HEAD and ranges', async (t) => {
  const { url, client, requests } = await setUp(t, counting({ 'cache-control': 'max-age=60' }))
  const request = new Request(`${url}/x`, { headers: { 'x-mine': '1' } })
  assert.equal(await (await client.fetch(request)).text(), 'body 1')
  assert.equal(requests[0].headers['x-mine'], '1')
  assert.equal(served(await client.fetch(new URL('/x', url))), 'hit')
  const head = await client.fetch('/x', { method: 'HEAD' })
  assert.deepEqual([served(head), await head.text()], ['hit', ''])
  const part = await client.fetch('/x', { headers: { range: 'bytes=0-3' } })
  assert.deepEqual([part.status, await part.text()], [206, 'body'])
  assert.equal(part.headers.get('content-range'), 'bytes 0-3/6')
  const offline = await client.fetch('/y', { cache: 'only-if-cached' })
  assert.equal(offline.status, 504)
  assert.equal(requests.length, 1)
  const unstored = await client.fetch('/x', { cache: 'no-store' })
  assert.deepEqual([served(unstored), await unstored.text()], ['bypass', 'body 2'])
  assert.equal(await (await client.fetch('/x', { cache: 'reload' })).text(), 'body 3')
  assert.equal(await (await client.fetch('/x')).text(), 'body 3')
})

test('stale-while-revalidate serves the old one and fetches the new', async (t) => {
  const { client } = await setUp(t, (_, response, count) => {
    const control = count === 1 ? 'max-age=0, stale-while-revalidate=60' : 'max-age=60'
    response.writeHead(200, { 'cache-control': control }).end(`body ${count}`)
  })
  await (await client.fetch('/x')).text()
  const stale = await client.fetch('/x')
  assert.deepEqual([served(stale), await stale.text()], ['stale', 'body 1'])
  let latest = stale
  while (served(latest) === 'stale') latest = await client.fetch('/x')
  assert.equal(served(latest), 'hit')
  assert.match(await latest.text(), /^body (?!1$)/)
})

test('a server that fails is stood in for only where that is allowed', async (t) => {
  const { url, client, cacheDir, server } = await setUp(t, (request, response) => {
    if (request.headers['x-fail']) return response.writeHead(503).end('down')
    const extra = request.url === '/sie' ? ', stale-if-error=60' : ''
    response.writeHead(200, { 'cache-control': `max-age=0${extra}`, etag: '"1"' }).end('body')
  })
  const fail = { headers: { 'x-fail': '1' } }
  for (const path of ['/sie', '/plain']) await (await client.fetch(path)).text()
  assert.deepEqual([served(await client.fetch('/sie', fail))], ['stale'])
  assert.equal((await client.fetch('/plain', fail)).status, 503)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  assert.equal(await (await client.fetch('/sie')).text(), 'body')
  await assert.rejects(client.fetch('/plain'), { code: 'ERR_AIWF_CONNECT' })
  for (const offline of /** @type {const} */ (['auto', 'force'])) {
    const tolerant = new OptimizedGitHubClient(url, { cacheDir, offline })
    const response = await tolerant.fetch('/plain')
    assert.deepEqual([served(response), await response.text()], ['stale', 'body'])
  }
})

test('redirects are followed hop by hop, without credentials to another host', async (t) => {
  const other = await serve(t, counting({}))
  const { url, client, requests } = await setUp(t, (request, response) => {
    const location = request.url === '/loop' ? '/loop' : `${other.url}/there`
    response.writeHead(302, { location }).end()
  })
  const headers = { authorization: 'Bearer s3cret', cookie: 'a=b' }
  const response = await client.fetch('/x', { headers })
  assert.deepEqual([response.redirected, response.url], [true, `${other.url}/there`])
  assert.equal(other.requests[0].headers.authorization, undefined)
  assert.equal(other.requests[0].headers.cookie, undefined)
  const manual = await client.fetch('/x', { redirect: 'manual' })
  assert.equal(manual.status, 302)
  await assert.rejects(client.fetch('/x', { redirect: 'error' }), { code: 'ERR_AIWF_REDIRECT' })
  await assert.rejects(client.fetch('/loop'), { code: 'ERR_AIWF_REDIRECT', url: `${url}/loop` })
  assert.equal(requests.length, 24)
})

test('a body streams, holds back what is not read, and breaks off as an error that is not stored', async (t) => {
  const big = Buffer.alloc(6 << 20, 'x')
  const { client, requests } = await setUp(t, (request, response) => {
    const headers = { 'cache-control': 'max-age=60', 'content-length': big.length }
    response.writeHead(200, headers)
    if (request.url !== '/torn') return response.end(big)
    response.write(big.subarray(0, 1000), () => response.destroy())
  })
  const whole = await (await client.fetch('/big')).arrayBuffer()
  assert.equal(Buffer.compare(Buffer.from(whole), big), 0)
  assert.equal((await (await client.fetch('/big')).arrayBuffer()).byteLength, big.length)
  for (let count = 0; count < 2; count++) {
    await assert.rejects(async () => (await client.fetch('/torn')).text(), {
      code: 'ERR_AIWF_RESET',
    })
  }
  const left = await client.fetch('/left')
  await left.body?.cancel()
  assert.deepEqual(
    requests.map((request) => request.url),
    ['/big', '/torn', '/torn', '/left'],
  )
})

const huge = Buffer.alloc(8 << 20, 'x')

/**
 * Runs code in a process of its own, which has a `client`.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} url
 * @param {string} code
 */
async function runApart(t, url, code) {
  const library = fileURLToPath(new URL('../lib/cache-system.js', import.meta.url))
  const options = JSON.stringify({ cacheDir: await workspace(t) })
  const prelude = `
    const { OptimizedGitHubClient } = require(${JSON.stringify(library)})
    const client = new OptimizedGitHubClient(${JSON.stringify(url)}, ${options})`
  const child = spawn(process.execPath, ['--expose-gc', '-e', `${prelude}\n${code}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill())
  return child
}

test('a body that nobody reads does not keep the process', { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t, (_, response) => response.end(huge))
  const code = "client.fetch('/huge').then(({ status }) => process.stdout.write(String(status)))"
  const child = await runApart(t, url, code)
  const [[said], [status]] = await Promise.all([once(child.stdout, 'data'), once(child, 'exit')])
  assert.equal(String(said), '200')
  assert.equal(status, 0)
})

test('a body that nobody can read any more is given up, and one that is waited for is not', {
  timeout: 20_000,
}, async (t) => {
  /** @type {(response: import('node:http').ServerResponse) => void} */
  let asked = () => {}
  const left = new Promise((resolve) => {
    asked = (response) => response.on('close', resolve)
  })
  /** @type {import('node:http').ServerResponse | undefined} */
  let slow
  const { url } = await serve(t, (request, response) => {
    if (request.url === '/slow') {
      slow = response
      return response.write('a')
    }
    asked(response)
    response.end(huge)
  })
  const code = `
    setInterval(gc, 10)
    client.fetch('/slow').then((response) => response.text()).then((text) => process.stdout.write(text))
    client.fetch('/huge')`
  const child = await runApart(t, url, code)
  await left
  slow?.end('b')
  const [said] = await once(child.stdout, 'data')
  assert.equal(String(said), 'ab')
})

test('a signal ends a request before and after its head', async (t) => {
  const { client } = await setUp(t, (request, response) => {
    if (request.url === '/body') response.writeHead(200).write('half')
  })
  const aborted = AbortSignal.abort(new Error('before'))
  await assert.rejects(client.fetch('/x', { signal: aborted }), { message: 'before' })
  const hanging = new AbortController()
  const pending = client.fetch('/x', { signal: hanging.signal })
  hanging.abort()
  await assert.rejects(pending, { name: 'AbortError' })
  const reading = new AbortController()
  const response = await client.fetch('/body', { signal: reading.signal })
  const text = response.text()
  reading.abort(new Error('enough'))
  await assert.rejects(text, { message: 'enough' })
})

test('what cannot be asked is a typed error', async (t) => {
  const { client } = await setUp(t, counting({}))
  await assert.rejects(client.fetch('file:///etc/passwd'), { code: 'ERR_INVALID_URL' })
  await assert.rejects(client.fetch('http://'), { code: 'ERR_INVALID_URL' })
  await assert.rejects(client.fetch('http://nowhere.invalid/'), { code: 'ERR_AIWF_DNS' })
  assert.throws(() => new OptimizedGitHubClient(undefined, { offline: /** @type {any} */ ('x') }), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
})

test('Octokit works on top of it', async (t) => {
  const server = await startGitHubServer({ repositories: { 'o/r': memoryTree({ 'a.txt': 'a' }) } })
  t.after(() => server.close())
  const cacheDir = join(await workspace(t), 'cache')
  const client = new OptimizedGitHubClient(server.url, { cacheDir })
  const octokit = new Octokit({ baseUrl: server.url, request: { fetch: client.fetch } })
  const { data, headers } = await octokit.rest.repos.get({ owner: 'o', repo: 'r' })
  assert.equal(data.full_name, 'o/r')
  assert.equal(headers['x-aiwf-cache'], 'miss')
  const again = await octokit.rest.repos.get({ owner: 'o', repo: 'r' })
  assert.match(String(again.headers['x-aiwf-cache']), /^(hit|revalidated)$/)
  assert.deepEqual(again.data, data)
  await assert.rejects(octokit.rest.repos.get({ owner: 'o', repo: 'none' }), { status: 404 })
  const etag = /** @type {string} */ (headers.etag)
  const conditional = octokit.request('GET /repos/o/r', { headers: { 'if-none-match': etag } })
  await assert.rejects(conditional, { status: 304 })
  const commits = await octokit.paginate('GET /repos/{owner}/{repo}/commits', {
    owner: 'o',
    repo: 'r',
    per_page: 1,
  })
  assert.ok(commits.length >= 1)
  const signal = AbortSignal.abort()
  await assert.rejects(octokit.request('GET /repos/o/r', { request: { signal } }), {
    name: 'AbortError',
  })
})

test('failures that pass are retried, of idempotent requests only and no more often than asked', async (t) => {
  const { url, requests, cacheDir } = await setUp(t, (request, response, count) => {
    if (request.url === '/reset' && count === 1) return request.socket.destroy()
    if (request.url === '/late') return response.writeHead(503, { 'retry-after': '61' }).end()
    if (count < 3) return response.writeHead(503, { 'retry-after': '0' }).end()
    response.end('[3]')
  })
  const client = new OptimizedGitHubClient(url, { cacheDir, retries: 2 })
  assert.equal(await (await client.fetch('/x')).text(), '[3]')
  requests.length = 0
  assert.equal((await client.fetch('/late')).status, 503)
  assert.equal((await client.fetch('/x', { method: 'POST', body: 'a' })).status, 503)
  assert.equal(requests.length, 2)
  requests.length = 0
  assert.equal(await (await client.fetch('/reset')).text(), '[3]')
  requests.length = 0
  assert.deepEqual(await client.cachedFetch('/x'), [3])
  assert.equal(requests.length, 3)
  requests.length = 0
  const once = new OptimizedGitHubClient(url, { cacheDir, retries: 1 })
  assert.equal((await once.fetch('/y')).status, 503)
})

test('bodies are decoded, and served decoded from the cache', async (t) => {
  const text = 'twelve bytes'
  // A frame of one raw block (RFC 8878): magic number, descriptor, size; header of the last block, content.
  const frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, text.length, (text.length << 3) | 1, 0, 0]
  /** @type {Record<string, Buffer>} */
  const bodies = {
    gzip: gzipSync(text),
    br: brotliCompressSync(text),
    zstd: Buffer.concat([Buffer.from(frame), Buffer.from(text)]),
  }
  const { client, requests } = await setUp(t, (request, response) => {
    const coding = String(request.url).slice(1)
    response.writeHead(200, { 'content-encoding': coding, 'cache-control': 'max-age=60' })
    response.end(bodies[coding])
  })
  for (const coding of Object.keys(bodies)) {
    for (const expected of ['miss', 'hit']) {
      const response = await client.fetch(`/${coding}`)
      assert.deepEqual([served(response), await response.text()], [expected, text], coding)
      assert.equal(response.headers.get('content-encoding'), null)
    }
    assert.match(String(requests[0].headers['accept-encoding']), new RegExp(coding))
  }
})

test('a body can be read into memory of one’s own, as that of the global fetch', async (t) => {
  let release = () => {}
  const { client } = await setUp(t, (request, response) => {
    response.write('0123')
    release = () => response.end(request.url === '/' ? '456789' : undefined)
  })
  const { body } = await client.fetch('/')
  const reader = /** @type {ReadableStream<Uint8Array>} */ (body).getReader({ mode: 'byob' })
  const first = await reader.read(new Uint8Array(3))
  assert.equal(Buffer.from(first.value ?? []).toString(), '012')
  release()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(4))
    rest += Buffer.from(value ?? [])
    if (done) break
  }
  assert.equal(rest, '3456789')

  // Read right up to the end, which comes while somebody waits.
  const other = (await client.fetch('/other')).body?.getReader({ mode: 'byob' })
  assert.equal((await other?.read(new Uint8Array(4)))?.value?.length, 4)
  const last = other?.read(new Uint8Array(4))
  release()
  assert.deepEqual(await last, { value: new Uint8Array(0), done: true })
})

test('without the network by choice nothing is sent', async (t) => {
  const { client, requests } = await setUp(t, (_, response) => response.end('here'), {
    offline: 'force',
  })
  /** @type {RequestInit[]} */
  const asked = [
    {},
    { method: 'POST', body: 'x' },
    { method: 'DELETE' },
    { cache: 'no-store' },
    { cache: 'reload' },
    { headers: { 'if-none-match': '"v1"' } },
    { headers: { range: 'bytes=0-1' } },
  ]
  for (const init of asked) {
    const response = await client.fetch('/', init)
    assert.equal(response.status, 504, JSON.stringify(init))
  }
  await assert.rejects(client.cachedFetch('/', { method: 'POST' }), { status: 504 })
  assert.equal(requests.length, 0)
})

test('another base URL and another folder count from the next request on', async (t) => {
  const fresh = counting({ 'cache-control': 'max-age=60' })
  const { client } = await setUp(t, fresh)
  await client.fetch('/')
  const other = await serve(t, fresh)
  client.baseUrl = other.url
  client.cache.cacheDir = join(await workspace(t), 'elsewhere')
  await (await client.fetch('/')).text()
  assert.equal(other.requests.length, 1)
  assert.deepEqual((await readdir(client.cache.cacheDir)).includes('http'), true)
  const next = new OptimizedGitHubClient(other.url, { cacheDir: client.cache.cacheDir })
  assert.equal(served(await next.fetch('/')), 'hit')
})

test('to clear the cache forgets responses as well, and what stores nothing makes no folder', async (t) => {
  const { client, cacheDir, url } = await setUp(t, counting({ 'cache-control': 'max-age=60' }))
  const posted = await client.fetch('/', { method: 'POST', body: 'x' })
  await posted.text()
  await client.cache.clear()
  assert.equal(existsSync(cacheDir), false)
  await (await client.fetch('/')).text()
  const { entries, bytes } = await client.cache.diskStats()
  assert.ok(entries >= 1 && bytes > 0)
  assert.deepEqual(await client.cache.verify(), { damagedEntries: 0, damagedBytes: 0 })
  // Of an earlier process too.
  await new OptimizedGitHubClient(url, { cacheDir }).cache.clear()
  await client.cache.clear()
  assert.equal((await client.cache.diskStats()).entries, 0)
  assert.equal(served(await client.fetch('/')), 'miss')
})

test('bodies that wait for their readers hold up no other request', {
  timeout: 20_000,
}, async (t) => {
  const { client } = await setUp(
    t,
    (request, response) => response.end(request.url === '/small' ? 'small' : huge),
    { maxConcurrent: 3 },
  )
  const unread = await Promise.all(['/1', '/2', '/3'].map((path) => client.fetch(path)))
  assert.equal(await (await client.fetch('/small')).text(), 'small')
  for (const response of unread) {
    assert.equal((await response.arrayBuffer()).byteLength, huge.length)
  }
})
