// @ts-check
// Servers and networks that misbehave: each failure is an error of its own, and none of it is ever stored.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createSecureServer as createHttp2Server } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/** @typedef {import('../lib/cache-system.js').GitHubClientOptions} Options */
/** @typedef {import('node:net').Server} Server */

const FIXTURES = join(import.meta.dirname, 'fixtures/tls')
const fixture = (/** @type {string} */ name) => readFile(join(FIXTURES, name))

/**
 * Starts a server on loopback; resolves with its port.
 *
 * @param {import('node:test').TestContext} t
 * @param {Server} server
 */
async function listen(t, server) {
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set()
  server.on('connection', (socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port
}

/**
 * A server that writes bytes, not HTTP: what `answer` says to each path.
 *
 * @param {import('node:test').TestContext} t
 * @param {(path: string, socket: import('node:net').Socket) => string | Buffer | undefined} answer
 */
async function raw(t, answer) {
  /** @type {string[]} */
  const asked = []
  const server = createServer((socket) => {
    socket.on('data', (data) => {
      const [, path] = /^[A-Z]+ (\S+)/.exec(data.toString('latin1')) ?? []
      asked.push(path)
      const bytes = answer(path, socket)
      if (bytes !== undefined) socket.write(bytes)
    })
  })
  const url = `http://127.0.0.1:${await listen(t, server)}`
  return { url, asked }
}

/**
 * @param {import('node:test').TestContext} t
 * @param {string} url
 * @param {Options} [options]
 */
async function connect(t, url, options) {
  const cacheDir = join(await workspace(t), 'cache')
  return new OptimizedGitHubClient(url, { cacheDir, ...options })
}

const head = (/** @type {string} */ fields, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nCache-Control: max-age=600\r\n${fields}\r\n`

/** What is wrong on the wire, and the error it is. @type {Record<string, [string, string | RegExp, boolean?]>} */
const BROKEN = {
  '/two-lengths': [
    `${head('Content-Length: 2\r\nContent-Length: 4\r\n')}{}{}`,
    'ERR_AIWF_PROTOCOL',
  ],
  '/length-list': [`${head('Content-Length: 2, 4\r\n')}{}{}`, 'ERR_AIWF_PROTOCOL'],
  '/negative-length': [`${head('Content-Length: -2\r\n')}{}`, 'ERR_AIWF_PROTOCOL'],
  '/no-number': [`${head('Content-Length: two\r\n')}{}`, 'ERR_AIWF_PROTOCOL'],
  '/short': [`${head('Content-Length: 20\r\n')}{}`, 'ERR_AIWF_RESET', true],
  '/length-and-chunks': [
    `${head('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n')}2\r\n{}\r\n0\r\n\r\n`,
    'ERR_AIWF_PROTOCOL',
  ],
  '/cut-chunks': [`${head('Transfer-Encoding: chunked\r\n')}2\r\n{}\r\n`, 'ERR_AIWF_RESET', true],
  '/no-last-chunk': [`${head('Transfer-Encoding: chunked\r\n')}5\r\n{}`, 'ERR_AIWF_RESET', true],
  '/bad-chunk': [
    `${head('Transfer-Encoding: chunked\r\n')}zz\r\n{}\r\n0\r\n\r\n`,
    /PROTOCOL|RESET/,
  ],
  '/huge-chunk': [
    `${head('Transfer-Encoding: chunked\r\n')}fffffffffffffffff\r\n{}`,
    /PROTOCOL|RESET/,
  ],
  '/nul': [`${head('X-A: a\0b\r\nContent-Length: 2\r\n')}{}`, 'ERR_AIWF_PROTOCOL'],
  '/bare-cr': [`${head('X-A: a\rX-B: b\r\nContent-Length: 2\r\n')}{}`, 'ERR_AIWF_PROTOCOL'],
  '/space-in-name': [`${head('X A: a\r\nContent-Length: 2\r\n')}{}`, 'ERR_AIWF_PROTOCOL'],
  '/no-http': ['SSH-2.0-OpenSSH_9.6\r\n', 'ERR_AIWF_PROTOCOL', true],
  '/no-status': ['HTTP/1.1 abc OK\r\n\r\n', 'ERR_AIWF_PROTOCOL', true],
  '/headers-without-end': [head(`X-A: ${'a'.repeat(600_000)}\r\n`), 'ERR_AIWF_PROTOCOL'],
  '/gzip': [`${head('Content-Encoding: gzip\r\nContent-Length: 2\r\n')}{}`, 'ERR_AIWF_PROTOCOL'],
  '/silence': ['', 'ERR_AIWF_RESET', true],
}

/**
 * What `fetch` says of each URL in turn in a process of this environment, as JSON.
 *
 * @param {import('node:test').TestContext} t
 * @param {Record<string, string>} environment
 * @param {string[]} urls
 */
async function askElsewhere(t, environment, urls) {
  const script = `
    const { OptimizedGitHubClient } = require('./lib/cache-system.js')
    const client = new OptimizedGitHubClient('http://origin.invalid', { cacheDir: process.argv[1] })
    const read = async (url) => (await client.fetch(url)).json()
    const outcome = (url) => read(url).catch(({ code, message }) => ({ code, message }))
    const all = async (urls) => {
      const said = []
      for (const url of urls) said.push(await outcome(url))
      console.log(JSON.stringify(said))
    }
    all(process.argv.slice(2))`
  const child = spawn(process.execPath, ['-e', script, await workspace(t), ...urls], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  await once(child, 'close')
  return output
}

test('what is broken on the wire is an error and never an entry', async (t) => {
  const { url, asked } = await raw(t, (path, socket) => {
    const [bytes, , ends] = BROKEN[path]
    if (!ends) return bytes
    socket.end(bytes)
    return undefined
  })
  const client = await connect(t, url)
  const follows = await connect(t, url, { http: true })
  for (const [path, [, code]] of Object.entries(BROKEN)) {
    asked.length = 0
    const ways = [
      async () => (await client.fetch(path)).text(),
      async () => (await client.fetch(path)).text(),
      () => client.cachedFetch(path),
      () => follows.cachedFetch(path),
    ]
    for (const way of ways) {
      await assert.rejects(way, (/** @type {any} */ error) => {
        assert.match(error.code, typeof code === 'string' ? RegExp(`^${code}$`) : code, path)
        assert.equal(error.url, url + path)
        return true
      })
    }
    assert.equal(asked.length, ways.length, path)
    const stored = await client.fetch(path, { cache: 'only-if-cached' })
    assert.equal(stored.status, 504, path)
  }
})

test('an answer that nobody asked for is nobody’s', async (t) => {
  const poison = `${head('Content-Length: 8\r\n')}"poison"`
  const { url } = await raw(t, (path) => {
    const own = `${head(`Content-Length: ${path.length + 2}\r\n`)}"${path}"`
    return path === '/split' ? own + poison : own
  })
  const client = await connect(t, url)
  for (const path of ['/split', '/a', '/split?again', '/b']) {
    assert.equal(await (await client.fetch(path)).json(), path)
  }
  for (const path of ['/a', '/b']) {
    assert.equal(await (await client.fetch(path)).json(), path)
  }
})

test('a body beyond the limit is refused, announced or not, and not stored', async (t) => {
  const { url } = await serve(t, (request, response) => {
    response.setHeader('cache-control', 'max-age=60')
    if (request.url === '/announced') response.setHeader('content-length', 101)
    if (request.url === '/announced') return response.end('x'.repeat(101))
    if (request.url === '/fits') return response.end(`"${'x'.repeat(98)}"`)
    response.write('x'.repeat(60))
    setImmediate(() => response.end('x'.repeat(60)))
  })
  const client = await connect(t, url, { maxBodyBytes: 100 })
  for (const path of ['/announced', '/streamed']) {
    for (const way of [
      async () => (await client.fetch(path)).text(),
      () => client.cachedFetch(path),
    ]) {
      await assert.rejects(way, { code: 'ERR_AIWF_TOO_LARGE', url: url + path })
    }
    assert.equal((await client.fetch(path, { cache: 'only-if-cached' })).status, 504)
  }
  assert.equal((await client.cachedFetch('/fits')).length, 98)
})

test('connecting, silence and the whole have time limits of their own', async (t) => {
  const { url } = await serve(t, (request, response) => {
    if (request.url === '/silent') return
    response.write('[')
    if (request.url === '/stalls') return
    const drip = setInterval(() => response.write(' '), 10)
    response.on('close', () => clearInterval(drip))
  })
  const mute = await listen(
    t,
    createServer(() => {}),
  )
  const timedOut = { code: 'ERR_AIWF_TIMEOUT' }
  const connecting = await connect(t, `https://127.0.0.1:${mute}`, { connectTimeout: 50 })
  await assert.rejects(connecting.fetch('/'), timedOut)
  const idle = await connect(t, url, { idleTimeout: 100 })
  await assert.rejects(idle.fetch('/silent'), timedOut)
  await assert.rejects(async () => (await idle.fetch('/stalls')).text(), timedOut)
  const total = await connect(t, url, { timeout: 150 })
  await assert.rejects(async () => (await total.fetch('/drips')).text(), timedOut)
  await assert.rejects(total.cachedFetch('/drips'), timedOut)
  await assert.rejects(idle.cachedFetch('/drips', { timeout: 50 }), timedOut)
})

test('connections are kept alive', async (t) => {
  const { url, server } = await serve(t, (_, response) => response.end('{}'))
  let connections = 0
  server.on('connection', () => connections++)
  const client = await connect(t, url)
  for (const path of ['/a', '/b']) {
    await client.cachedFetch(path)
    await (await client.fetch(path)).text()
  }
  assert.equal(connections, 1)
})

test('a certificate nobody vouches for, a refused connection and a reset are told apart', async (t) => {
  const [key, cert] = await Promise.all([fixture('server.key'), fixture('server.pem')])
  const secure = await listen(t, createTlsServer({ key, cert }))
  const gone = createServer()
  const closed = await listen(t, gone)
  gone.close()
  await once(gone, 'close')
  const { url: resets } = await raw(t, (_, socket) => void socket.resetAndDestroy())
  const client = await connect(t, resets)
  for (const way of /** @type {const} */ (['fetch', 'cachedFetch'])) {
    const ask = (/** @type {string} */ url) => client[way](url)
    await assert.rejects(ask(`https://127.0.0.1:${secure}/`), { code: 'ERR_AIWF_TLS' })
    await assert.rejects(ask(`http://127.0.0.1:${closed}/`), { code: 'ERR_AIWF_CONNECT' })
    await assert.rejects(ask(resets), { code: 'ERR_AIWF_RESET' })
    await assert.rejects(ask('http://nowhere.invalid/'), { code: 'ERR_AIWF_DNS' })
    for (const odd of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'data:,x', 'javascript:1']) {
      await assert.rejects(ask(odd), { name: 'TypeError', code: 'ERR_INVALID_URL' }, odd)
    }
  }
})

test('HTTP/2 is spoken where the server does, over one connection', async (t) => {
  if (process.platform !== 'linux') return t.skip('trusts a test certificate by variable')
  const [key, cert] = await Promise.all([fixture('server.key'), fixture('server.pem')])
  const server = createHttp2Server({ key, cert, allowHTTP1: true }, (request, response) => {
    const text = JSON.stringify(`${request.httpVersion} ${request.url}`)
    if (request.url === '/a') return response.end(text)
    // The last frame is an empty one, after the head has long gone.
    response.write(text.slice(0, 3))
    setTimeout(() => response.write(text.slice(3)), 20)
    setTimeout(() => response.end(), 40)
  })
  let sessions = 0
  server.on('session', () => sessions++)
  const base = `https://127.0.0.1:${await listen(t, server)}`
  const trust = { SSL_CERT_FILE: join(FIXTURES, 'authority.pem') }
  const output = await askElsewhere(t, trust, [`${base}/a`, `${base}/b`])
  assert.deepEqual([JSON.parse(output), sessions], [['2.0 /a', '2.0 /b'], 1])
})

test('proxies come from the environment, and hosts that need none are asked directly', async (t) => {
  /** @type {{ method: string | undefined, url: string | undefined, authorization: string | undefined }[]} */
  const proxied = []
  const note = (/** @type {import('node:http').IncomingMessage} */ { method, url, headers }) =>
    proxied.push({ method, url, authorization: headers['proxy-authorization'] })
  const proxy = createHttpServer((request, response) => {
    note(request)
    response.end('"by proxy"')
  })
  proxy.on('connect', (request, socket) => {
    note(request)
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  const port = await listen(t, proxy)
  const direct = await serve(t, (_, response) => response.end('"directly"'))
  const output = await askElsewhere(
    t,
    {
      http_proxy: `http://me:s3cret@127.0.0.1:${port}`,
      https_proxy: `http://127.0.0.1:${port}`,
      no_proxy: '127.0.0.1',
    },
    ['http://origin.invalid/x', 'https://origin.invalid/y', direct.url],
  )
  const [plain, tunnelled, own] = JSON.parse(output)
  assert.deepEqual([plain, own], ['by proxy', 'directly'])
  assert.match(tunnelled.code, /^ERR_AIWF_(CONNECT|RESET|PROTOCOL)$/)
  assert.doesNotMatch(output, /s3cret/)
  const authorization = `Basic ${Buffer.from('me:s3cret').toString('base64')}`
  proxied.sort((a, b) => String(a.method).localeCompare(String(b.method)))
  assert.deepEqual(proxied, [
    { method: 'CONNECT', url: 'origin.invalid:443', authorization: undefined },
    { method: 'GET', url: 'http://origin.invalid/x', authorization },
  ])
})
