// @ts-check
// What goes out and what comes back, beside the global fetch: framing, encodings, silence, redirects, and what may be asked.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { memoryTree, startGitHubServer } from './support/github-server.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/**
 * @param {import('node:test').TestContext} t
 * @param {Parameters<typeof serve>[1]} handler
 * @param {import('../lib/cache-system.js').GitHubClientOptions} [options]
 */
async function setUp(t, handler, options) {
  const { url, requests, server } = await serve(t, handler)
  const cacheDir = join(await workspace(t), 'cache')
  return { url, requests, server, client: new OptimizedGitHubClient(url, { cacheDir, ...options }) }
}

/** @param {Response} response */
const served = (response) => response.headers.get('x-aiwf-cache')

test('every form of an encoded body is decoded, and what is not one is an error', async (t) => {
  /** @type {Record<string, [string, Buffer]>} */
  const answers = {
    '/members': ['gzip', Buffer.concat([gzipSync('one'), gzipSync('two')])],
    '/upper': ['GZIP', gzipSync('onetwo')],
    '/old': ['x-gzip', gzipSync('onetwo')],
    '/twice': ['gzip, br', brotliCompressSync(gzipSync('onetwo'))],
    '/identity': ['identity', Buffer.from('onetwo')],
    '/unknown': ['rot13', Buffer.from('onetwo')],
    '/cut': ['gzip', gzipSync('onetwo').subarray(0, -4)],
    '/junk': ['gzip', Buffer.concat([gzipSync('onetwo'), Buffer.from('junk')])],
    '/wrong': ['br', deflateSync('onetwo')],
  }
  const { client } = await setUp(t, (request, response) => {
    const [encoding, body] = answers[request.url ?? '']
    const headers = { 'content-encoding': encoding, 'cache-control': 'max-age=60' }
    response.writeHead(200, { ...headers, 'content-length': body.length })
    // In pieces that end where no member does.
    response.write(body.subarray(0, 25))
    response.end(body.subarray(25))
  })
  for (const path of ['/members', '/upper', '/old', '/twice', '/identity', '/unknown']) {
    for (const cache of ['miss', 'hit']) {
      const response = await client.fetch(path)
      assert.equal(served(response), cache, path)
      assert.equal(await response.text(), 'onetwo', path)
      const decoded = path !== '/unknown' && path !== '/identity'
      assert.equal(response.headers.has('content-encoding'), !decoded, path)
    }
  }
  for (const path of ['/cut', '/junk', '/wrong']) {
    const read = async () => (await client.fetch(path)).text()
    await assert.rejects(read, { code: 'ERR_AIWF_PROTOCOL' }, path)
    assert.equal((await client.fetch(path, { cache: 'only-if-cached' })).status, 504, path)
  }
})

test('HEAD and empty bodies have nothing to decode', async (t) => {
  const { client } = await setUp(t, (request, response) => {
    const length = request.method === 'HEAD' ? 30 : 0
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': length }).end()
  })
  const { headers } = await client.fetch('/', { method: 'HEAD' })
  assert.deepEqual([headers.get('content-encoding'), headers.get('content-length')], ['gzip', '30'])
  assert.equal(await (await client.fetch('/')).text(), '')
})

test('a part is asked for as it is, all else encoded', async (t) => {
  const { client, requests } = await setUp(t, (_, response) => response.end('{}'))
  await client.fetch('/')
  await client.fetch('/', { headers: { range: 'bytes=0-1' } })
  await client.fetch('/', { headers: { range: 'bytes=0-1', 'accept-encoding': 'br' } })
  assert.deepEqual(
    requests.map(({ headers }) => headers['accept-encoding']),
    ['gzip, br, zstd', 'identity', 'br'],
  )
})

test('a request is framed by what it is, whatever its headers say', async (t) => {
  const { client, requests } = await setUp(t, (_, response) => response.end('{}'))
  for (const method of ['POST', 'PUT', 'PATCH']) {
    await client.fetch('/', { method })
    assert.equal(requests.at(-1)?.headers['content-length'], '0', method)
  }
  await client.cachedFetch('/', { method: 'POST' })
  assert.equal(requests.at(-1)?.headers['content-length'], '0')
  await client.fetch('/', { method: 'DELETE' })
  assert.equal(requests.at(-1)?.headers['content-length'], undefined)
  const lies = { 'content-length': '1', 'transfer-encoding': 'chunked', upgrade: 'x', expect: 'y' }
  await client.fetch('/', { method: 'POST', body: 'abcGET /evil', headers: lies })
  assert.equal(requests.at(-1)?.body, 'abcGET /evil')
  await client.fetch('/', { headers: { 'content-length': '5' } })
  await client.fetch('/')
  assert.equal(requests.length, 8)
})

test('who reads slowly is not taken for a silent server', async (t) => {
  const body = Buffer.alloc(8 << 20, 'x')
  const { client } = await setUp(t, (_, response) => response.end(body), { idleTimeout: 100 })
  const response = await client.fetch('/')
  // Longer than the server may be silent.
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal((await response.arrayBuffer()).byteLength, body.length)
})

test('an upload that moves is not taken for a silent server', async (t) => {
  const body = Buffer.alloc(32 << 20, 'x')
  const server = createServer((socket) => {
    let received = 0
    socket.on('data', (data) => {
      received += data.length
      if (received > body.length) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      // Slow enough that all takes twice as long as nothing may move; the end goes into the system's buffers at once.
      if (received > 24 << 20) return
      socket.pause()
      setTimeout(() => socket.resume(), 5)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const cacheDir = await workspace(t)
  const client = new OptimizedGitHubClient(`http://127.0.0.1:${port}`, {
    cacheDir,
    idleTimeout: 1_000,
  })
  const response = await client.fetch('/', { method: 'POST', body })
  assert.equal(response.status, 200)
})

test('stale-while-revalidate asks once for all, and no longer than a request may take', async (t) => {
  let hangs = 0
  const { client } = await setUp(
    t,
    (request, response, count) => {
      if (request.url === '/other') return response.end('other')
      if (count > 1) return void hangs++
      response.writeHead(200, { 'cache-control': 'max-age=0, stale-while-revalidate=600' })
      response.end('old')
    },
    { timeout: 1_000, maxConcurrent: 2 },
  )
  await (await client.fetch('/')).text()
  const all = Array.from({ length: 50 }, async () => served(await client.fetch('/')))
  assert.deepEqual(new Set(await Promise.all(all)), new Set(['stale']))
  assert.equal(await (await client.fetch('/other')).text(), 'other')
  assert.equal(hangs, 1)
})

test('a redirect is followed whatever its body does', { timeout: 20_000 }, async (t) => {
  const { client } = await setUp(t, (request, response) => {
    if (request.url === '/target') return response.end('"there"')
    response.writeHead(302, { location: '/target' })
    if (request.url === '/torn') return response.destroy(new Error('torn'))
    response.write('x')
    if (request.url === '/endless') {
      const send = () => {
        while (response.write(Buffer.alloc(1 << 16)));
      }
      response.on('drain', send)
      send()
    }
  })
  for (const path of ['/stalled', '/endless']) {
    assert.equal(await (await client.fetch(path)).json(), 'there', path)
    assert.equal(await client.cachedFetch(path), 'there', path)
  }
})

test('a Host of one’s own names another resource', async (t) => {
  const { client } = await setUp(t, (request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(request.headers.host)
  })
  for (const host of ['a.example', 'b.example', 'a.example']) {
    assert.equal(await (await client.fetch('/', { headers: { host } })).text(), host)
  }
})

test('credentials that differ in a comma are different', async (t) => {
  const { client } = await setUp(t, (request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(request.headers.cookie)
  })
  for (const cookie of ['sid=a', 'sid=a,', 'sid=a']) {
    assert.equal(await (await client.fetch('/', { headers: { cookie } })).text(), cookie)
  }
})

test('a 304 about another response than the stored one is not believed', async (t) => {
  const { client, requests } = await setUp(t, (request, response, count) => {
    const version = count === 1 ? 1 : 2
    const known = request.headers['if-none-match'] !== undefined
    response.writeHead(known ? 304 : 200, { etag: `"${version}"`, 'cache-control': 'max-age=0' })
    response.end(known ? undefined : `v${version}`)
  })
  assert.equal(await (await client.fetch('/')).text(), 'v1')
  assert.equal(await (await client.fetch('/')).text(), 'v2')
  assert.equal(await (await client.fetch('/')).text(), 'v2')
  assert.equal(requests.length, 4)
})

test('what was asked for before a change is not stored after it', async (t) => {
  /** @type {() => void} */
  let release = () => {}
  const { client } = await setUp(t, (request, response) => {
    response.setHeader('cache-control', 'max-age=60')
    if (request.method === 'POST') return response.end()
    if (request.headers['x-slow'] === undefined) return response.end('new')
    response.write('o')
    release = () => response.end('ld')
  })
  const slow = { headers: { 'x-slow': '1' } }
  for (const change of [() => client.fetch('/', { method: 'POST' }), () => client.cache.clear()]) {
    const old = await client.fetch('/', slow)
    await change()
    release()
    assert.equal(await old.text(), 'old')
    assert.equal(await (await client.fetch('/')).text(), 'new')
    await client.cache.clear()
  }
})

test('integrity is checked', async (t) => {
  const { client } = await setUp(t, (request, response) => {
    if (request.url === '/streamed') response.write('con')
    setImmediate(() => response.end(request.url === '/streamed' ? 'tent' : 'content'))
  })
  const of = (/** @type {string} */ algorithm, content = 'content') =>
    `${algorithm}-${createHash(algorithm).update(content).digest('base64')}`
  for (const path of ['/', '/streamed']) {
    for (const integrity of [
      of('sha256'),
      `${of('sha256', 'other')} ${of('sha512')}`,
      `${of('sha384', 'other')} ${of('sha384')}?x`,
      'md5-unknown',
    ]) {
      const response = await client.fetch(path, { integrity })
      assert.equal(await response.text(), 'content', integrity)
    }
    const wrong = { name: 'TypeError', code: 'ERR_AIWF_INTEGRITY' }
    for (const integrity of [of('sha256', 'other'), `${of('sha256')} ${of('sha512', 'other')}`]) {
      await assert.rejects(client.fetch(path, { integrity }), wrong)
    }
    await assert.rejects(
      client.fetch(new Request(new URL(path, client.baseUrl), { integrity: of('sha256', '') })),
      wrong,
    )
  }
})

test('what may not be asked for is refused as the global fetch refuses it', async (t) => {
  const { client, url, requests } = await setUp(t, (_, response) => response.end('{}'))
  /** @type {any[]} */
  const refused = [
    { redirect: 'bogus' },
    { cache: 'bogus' },
    { method: 'TRACE' },
    { method: 'CONNECT' },
    { signal: {} },
    { mode: 'navigate' },
    { credentials: 'bogus' },
    { method: 'GET', body: 'x' },
  ]
  for (const init of refused) {
    await assert.rejects(client.fetch('/', init), { name: 'TypeError' }, JSON.stringify(init))
    await assert.rejects(fetch(url, init), { name: 'TypeError' }, JSON.stringify(init))
  }
  const withPassword = url.replace('//', '//me:s3cret@')
  for (const ask of [() => client.fetch(withPassword), () => client.cachedFetch(withPassword)]) {
    await assert.rejects(ask, (/** @type {any} */ error) => {
      assert.equal(error.code, 'ERR_INVALID_URL')
      assert.doesNotMatch(String(error.stack), /s3cret/)
      return true
    })
  }
  await assert.rejects(client.cachedFetch('/', { body: 'x' }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.equal(requests.length, 0)
  assert.equal((await client.fetch(` ${url}/ `, { credentials: 'include' })).status, 200)
})

test('a body that streams out can be given up', async (t) => {
  const { client, requests } = await setUp(t, (_, response) => response.end())
  /** @type {unknown} */
  let cancelled
  const endless = new ReadableStream({
    cancel(reason) {
      cancelled = reason
    },
  })
  const controller = new AbortController()
  const init = { method: 'POST', duplex: 'half', body: endless, signal: controller.signal }
  const posting = client.fetch('/', /** @type {RequestInit} */ (init))
  controller.abort('enough')
  await assert.rejects(posting, (reason) => reason === 'enough')
  assert.equal(cancelled, 'enough')
  const chunks = new ReadableStream({
    start(stream) {
      stream.enqueue(new TextEncoder().encode('a'))
      stream.enqueue('b')
      stream.close()
    },
  })
  await client.fetch('/', /** @type {RequestInit} */ ({ ...init, signal: null, body: chunks }))
  assert.deepEqual(
    requests.map(({ body }) => body),
    ['ab'],
  )
})

test('a clone of a body on its way knows where it is from', async (t) => {
  const { client, url } = await setUp(t, (request, response) => {
    if (request.url === '/from') return response.writeHead(302, { location: '/to' }).end()
    response.write('a')
    setImmediate(() => response.end('b'))
  })
  const response = await client.fetch('/from')
  const clones = [response.clone(), response.clone().clone()]
  for (const clone of [response, ...clones]) {
    assert.deepEqual([clone.url, clone.redirected], [`${url}/to`, true])
    assert.equal(await clone.text(), 'ab')
  }
})

test('without the network HEAD and parts are served from what is stored', async (t) => {
  const { client, server } = await setUp(
    t,
    (_, response) =>
      response.writeHead(200, { etag: '"1"', 'cache-control': 'max-age=0' }).end('0123'),
    { offline: 'auto' },
  )
  await (await client.fetch('/')).text()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  assert.equal(await (await client.fetch('/')).text(), '0123')
  const head = await client.fetch('/', { method: 'HEAD' })
  assert.deepEqual([head.status, served(head)], [200, 'stale'])
  const part = await client.fetch('/', { headers: { range: 'bytes=1-2' } })
  assert.deepEqual([part.status, await part.text()], [206, '12'])
})

test('statuses that there are none of are errors', async (t) => {
  const server = createServer((socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 700 Odd\r\nContent-Length: 0\r\n\r\n'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const client = new OptimizedGitHubClient(`http://127.0.0.1:${port}`, {
    cacheDir: await workspace(t),
  })
  await assert.rejects(client.fetch('/'), { code: 'ERR_AIWF_PROTOCOL' })
})

test('paths of the API stay below it', async (t) => {
  const { client, requests } = await setUp(t, (_, response) => response.end('{}'))
  await client.getFileContent('o/r', 'C#/x y.md')
  await client.getDirectoryStructure('o/r', 'a?b%/100%25')
  assert.deepEqual(
    requests.map(({ url }) => url),
    ['/repos/o/r/contents/C%23/x%20y.md', '/repos/o/r/contents/a%3Fb%25/100%25'],
  )
  for (const path of ['../../../../user', 'a/%2e%2E/b', '..\\x']) {
    await assert.rejects(client.getFileContent('o/r', path), { code: 'ERR_INVALID_ARG_VALUE' })
  }
  await assert.rejects(client.getFileContent('../r', 'x'), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('the files of a download are asked for as all else is', async (t) => {
  const files = memoryTree({ 'd/a.txt': 'a', 'd/b.txt': 'b' })
  const server = await startGitHubServer({ repositories: { 'o/r': files } })
  t.after(() => server.close())
  const cacheDir = join(await workspace(t), 'cache')
  const online = new OptimizedGitHubClient(server.url, { cacheDir })
  const destination = await workspace(t)
  assert.equal((await online.downloadDirectory('o/r', 'd', destination)).downloaded, 2)
  const raw = server.served.raw
  const offline = new OptimizedGitHubClient(server.url, { cacheDir, offline: 'force' })
  const { failures } = await offline.downloadDirectory('o/r', 'd', await workspace(t))
  assert.deepEqual(
    failures.map(({ error }) => /** @type {any} */ (error).status),
    [504, 504],
  )
  assert.equal(server.served.raw, raw)
})

test('an event tells how each answer came about', async (t) => {
  const { client, url } = await setUp(
    t,
    (request, response) => {
      const headers = { 'cache-control': 'max-age=60', etag: '"1"' }
      response.writeHead(request.url === '/gone' ? 404 : 200, headers).end('{}')
    },
    { http: true },
  )
  /** @type {import('../lib/cache-system.js').ResponseInfo[]} */
  const told = []
  client.on('response', (info) => told.push(info))
  await (await client.fetch('/a')).text()
  await client.fetch('/a')
  await client.fetch('/gone')
  await client.fetch('/a', { method: 'POST' })
  await client.cachedFetch('/b')
  await client.cachedFetch('/b')
  assert.deepEqual(
    told.map(({ method, url: asked, status, cache }) => [
      method,
      asked.replace(url, ''),
      status,
      cache,
    ]),
    [
      ['GET', '/a', 200, 'miss'],
      ['GET', '/a', 200, 'hit'],
      ['GET', '/gone', 404, 'miss'],
      ['POST', '/a', 200, 'bypass'],
      ['GET', '/b', 200, 'miss'],
      ['GET', '/b', 200, 'hit'],
    ],
  )
  assert.ok(told.every(({ duration }) => duration >= 0))
})

test('a folder that can’t be is no reason to fail', async (t) => {
  const { client } = await setUp(t, (_, response) => response.end('{}'))
  client.cache.cacheDir = join(process.execPath, 'cache')
  assert.equal(await (await client.fetch('/')).text(), '{}')
  await client.cache.clear()
})
