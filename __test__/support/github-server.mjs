// @ts-check
// A loopback stand-in for GitHub's REST API and raw file host. It serves trees at one commit,
// behaves as GitHub does about caching, authorization and rate limits, and fails on demand.
//
//   const server = await startGitHubServer({
//     repositories: { 'owner/name': memoryTree({ 'README.md': 'Hello' }) }
//   })
//   server.inject({ match: '/git/trees/', status: 502 })
//   await server.close()

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoutes, failure, json, plain } from './github-routes.mjs'

export { gitTree, memoryTree } from './git-tree.mjs'

/** @typedef {import('./git-tree.mjs').TreeSource} TreeSource */
/** @typedef {import('./github-routes.mjs').GitHubRequest} GitHubRequest */
/** @typedef {import('./github-routes.mjs').Answer} Answer */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

/**
 * @typedef {object} ServerOptions
 * @property {Record<string, TreeSource>} repositories by 'owner/name'; closed with the server
 * @property {string} [defaultBranch]
 * @property {{ limit: number, windowMs: number }} [rateLimit] one window, whoever asks
 * @property {string | null} [token] if set, every repository is private to this token
 * @property {number | null} [truncateTreesAt] most entries of a recursive tree
 * @property {number} [commitCount] length of the generated list of commits
 * @property {number} [issueCount] length of the generated list of issues
 * @property {() => number} [now] milliseconds since 1970, for the rate window and `date`
 */

/**
 * A fault. `reset` and `hang` end the request there. `status`, `body` or `secondary` replace the
 * answer, everything else alters the answer the request would have had anyway.
 *
 * @typedef {object} Rule
 * @property {string | RegExp | ((request: GitHubRequest) => boolean)} [match] a string matches
 *   anywhere in path and query; without `match` every request matches
 * @property {number} [times] requests to take, 1 unless given, Infinity allowed
 * @property {number} [status] 200 if only `body` is given
 * @property {Record<string, string | null>} [headers] set, or with null removed
 * @property {string | Buffer | object} [body] objects are sent as JSON; an error without a body
 *   gets GitHub's
 * @property {number} [latencyMs] wait before answering
 * @property {number} [truncateAt] announce the whole body, break off after this many bytes
 * @property {boolean} [reset] reset the connection instead of answering
 * @property {boolean} [hang] leave the request open until the server closes
 * @property {number | string} [retryAfter] sent as `retry-after`
 * @property {'with-headers' | 'without-headers'} [secondary] a secondary rate limit, status 403
 *   unless given; with `retry-after` (60 unless given), or known by nothing but its message
 * @property {boolean} [corrupt] flip a bit in the middle of the body
 */

/**
 * @typedef {object} RuleHandle
 * @property {number} used requests taken so far
 * @property {() => void} remove
 */

/**
 * `total` to `blobs` and `injected` count requests as they arrive, the others answers as they are
 * sent.
 *
 * @typedef {object} Served
 * @property {number} total
 * @property {number} api everything outside /raw/
 * @property {number} raw
 * @property {number} trees
 * @property {number} contents
 * @property {number} blobs
 * @property {number} notModified
 * @property {number} rateLimited primary and secondary
 * @property {number} injected requests a rule took
 * @property {number} bytes of bodies
 * @property {Record<number, number>} byStatus
 * @property {number} maxConcurrent
 */

/** @typedef {GitHubRequest & { status: number }} RequestRecord status is 0 while unanswered */

/**
 * @typedef {object} ServerControls
 * @property {string} url
 * @property {number} port
 * @property {string} rawUrl
 * @property {Served} served
 * @property {RequestRecord[]} requests in order of arrival
 * @property {(rule: Rule) => RuleHandle} inject the oldest matching rule with times left applies
 * @property {() => void} reset zeroes counts, requests, rules and the rate window
 * @property {() => Promise<void>} close destroys what is open; may be called again
 */

/** @typedef {ServerControls & AsyncDisposable} GitHubServer */

const NO_BODY = Buffer.alloc(0)
const USER_AGENT_MESSAGE = 'Request forbidden: every request to this API needs a User-Agent header.'
const RATE_LIMIT_MESSAGE =
  'API rate limit exceeded for 127.0.0.1. Wait until the time given in x-ratelimit-reset.'
const SECONDARY_MESSAGE =
  'You have exceeded a secondary rate limit. Please wait a while before you try again.'

/** @returns {Served} */
function noneServed() {
  const requests = { total: 0, api: 0, raw: 0, trees: 0, contents: 0, blobs: 0 }
  const answers = { notModified: 0, rateLimited: 0, injected: 0, bytes: 0, byStatus: {} }
  return { ...requests, ...answers, maxConcurrent: 0 }
}

/**
 * @param {{ limit: number, windowMs: number }} rateLimit
 * @param {() => number} now
 */
function openRateWindow({ limit, windowMs }, now) {
  /** @type {number | null} */
  let start = null
  let used = 0
  return {
    state() {
      if (start === null || now() >= start + windowMs) {
        start = now()
        used = 0
      }
      // Rounded up, so that whoever waits until `reset` finds a new window.
      const reset = Math.ceil((start + windowMs) / 1000)
      return { limit, used, remaining: limit - used, reset }
    },
    take() {
      used += 1
    },
    clear() {
      start = null
    },
  }
}

/**
 * Adds the ETag to a full answer, or says that the client has the answer already.
 *
 * @param {GitHubRequest} request
 * @param {Answer} answer
 * @param {string} etag
 * @returns {Answer}
 */
function withEtag(request, answer, etag) {
  if (answer.status !== 200) return answer
  const asked = request.headers['if-none-match'] ?? ''
  const opaque = etag.replace(/^W\//, '')
  const isKnown = asked.trim() === '*' || asked.match(/"[^"]*"/g)?.includes(opaque)
  const headers = { ...answer.headers, etag }
  return isKnown ? { status: 304, headers, body: NO_BODY } : { ...answer, headers }
}

/**
 * @param {GitHubRequest} request
 * @param {Answer} answer
 */
function checkRaw(request, answer) {
  return withEtag(request, answer, `"${digest(answer.body)}"`)
}

/** @param {(string | Buffer)[]} parts */
function digest(...parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex')
}

/**
 * The answer a rule gives in place of the server's own.
 *
 * @param {Rule} rule
 * @returns {Answer}
 */
function ruleAnswer({ status, body, secondary }) {
  if (secondary && body === undefined) return failure(status ?? 403, SECONDARY_MESSAGE)
  status ??= secondary ? 403 : 200
  if (typeof body === 'string' || Buffer.isBuffer(body)) return plain(status, body)
  if (body !== undefined) return json(body, status)
  return status >= 400 ? failure(status) : plain(status, '')
}

/**
 * @param {Answer} answer
 * @param {Rule} rule
 * @returns {Answer}
 */
function alterAnswer(answer, rule) {
  const headers = { ...answer.headers }
  if (rule.secondary === 'with-headers') headers['retry-after'] = '60'
  if (rule.secondary === 'without-headers') {
    for (const name of Object.keys(headers)) if (/^x-ratelimit-/.test(name)) delete headers[name]
  }
  if (rule.retryAfter !== undefined) headers['retry-after'] = String(rule.retryAfter)
  for (const [name, value] of Object.entries(rule.headers ?? {})) {
    if (value === null) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }

  if (!rule.corrupt || answer.body.length === 0) return { ...answer, headers }
  // A copy, since the bytes may belong to the tree.
  const body = Buffer.from(answer.body)
  body[body.length >> 1] ^= 1
  return { ...answer, headers, body }
}

/**
 * Starts the server on a free port of 127.0.0.1.
 *
 * @param {ServerOptions} options
 * @returns {Promise<GitHubServer>}
 */
export async function startGitHubServer({
  repositories,
  defaultBranch = 'main',
  rateLimit = { limit: 5000, windowMs: 3_600_000 },
  token = null,
  truncateTreesAt = null,
  commitCount = 250,
  issueCount = 120,
  now = Date.now,
}) {
  const served = noneServed()
  /** @type {RequestRecord[]} */
  const requests = []
  /** @type {{ rule: Rule, left: number, handle: RuleHandle }[]} */
  let rules = []
  const rateWindow = openRateWindow(rateLimit, now)
  const stopping = new AbortController()
  /** @type {Set<Promise<void>>} */
  const working = new Set()
  let open = 0
  let answered = 0

  // A short idle limit would race with clients that reuse a connection after a pause.
  const http = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    const { method = '', url: path = '', headers } = incoming
    const work = handle({ method, path, headers }, response)
      .catch((error) => {
        if (stopping.signal.aborted || response.headersSent) response.destroy()
        else send('GET', response, failure(500, String(error)))
      })
      .finally(() => working.delete(work))
    working.add(work)
  })
  await new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen(0, '127.0.0.1', () => resolve(undefined))
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (http.address())
  const url = `http://127.0.0.1:${port}`
  const rawUrl = `${url}/raw`
  const content = { repositories, defaultBranch, token, truncateTreesAt, commitCount, issueCount }
  const routes = createRoutes({ ...content, url, rawUrl })

  /**
   * @param {GitHubRequest} request
   * @param {ServerResponse} response
   */
  async function handle(request, response) {
    const record = { ...request, status: 0 }
    requests.push(record)
    const isRaw = countRequest(request)
    open += 1
    served.maxConcurrent = Math.max(served.maxConcurrent, open)
    response.once('close', () => (open -= 1))

    const rule = takeRule(request)
    if (rule.latencyMs) await delay(rule.latencyMs, undefined, { signal: stopping.signal })
    if (rule.hang) return
    if (rule.reset) {
      response.socket?.resetAndDestroy()
      return
    }

    const isReplaced = (rule.status ?? rule.body ?? rule.secondary) !== undefined
    const own = isReplaced ? ruleAnswer(rule) : await (isRaw ? routes.raw : routes.api)(request)
    if (response.destroyed) return
    // Nothing below waits, so that the limit is exact however requests overlap.
    const checked = isReplaced ? own : isRaw ? checkRaw(request, own) : checkApi(request, own)
    if (rule.secondary) served.rateLimited += 1
    const answer = alterAnswer(isRaw ? checked : withApiHeaders(request, checked), rule)
    record.status = answer.status
    send(request.method, response, answer, rule.truncateAt)
  }

  /**
   * @param {GitHubRequest} request
   * @returns {boolean} whether it is for the raw file host
   */
  function countRequest({ path }) {
    served.total += 1
    const isRaw = path.startsWith('/raw/')
    served[isRaw ? 'raw' : 'api'] += 1
    const endpoint = /^\/repos\/[^/]+\/[^/]+\/(?:git\/(trees|blobs)|(contents))(?![^/?])/.exec(path)
    const kind = endpoint?.[1] ?? endpoint?.[2]
    if (kind) served[/** @type {'trees' | 'blobs' | 'contents'} */ (kind)] += 1
    return isRaw
  }

  /**
   * @param {GitHubRequest} request
   * @returns {Rule}
   */
  function takeRule(request) {
    const found = rules.find(({ rule: { match = '' }, left }) => {
      if (left <= 0) return false
      if (typeof match === 'string') return request.path.includes(match)
      // `search`, unlike `test`, is not led astray by a global expression's lastIndex.
      return typeof match === 'function' ? match(request) : request.path.search(match) >= 0
    })
    if (!found) return {}
    found.left -= 1
    found.handle.used += 1
    served.injected += 1
    return found.rule
  }

  /**
   * User agent, rate limit and cache validation of an API request.
   *
   * @param {GitHubRequest} request
   * @param {Answer} answer what the request gets if nothing is in its way
   * @returns {Answer}
   */
  function checkApi(request, answer) {
    const { 'user-agent': userAgent, authorization = '' } = request.headers
    if (!userAgent) return plain(403, USER_AGENT_MESSAGE)
    const rate = { ...rateWindow.state(), resource: 'core' }
    if (/^\/rate_limit(?!\w)/.test(request.path)) {
      return json({ resources: { core: rate }, rate }, 200, { 'cache-control': 'no-cache' })
    }
    if (rate.remaining <= 0) {
      served.rateLimited += 1
      return failure(403, RATE_LIMIT_MESSAGE)
    }
    const checked = withEtag(request, answer, `W/"${digest(answer.body, authorization)}"`)
    if (checked.status !== 304) rateWindow.take()
    return checked
  }

  /**
   * @param {GitHubRequest} request
   * @param {Answer} answer
   * @returns {Answer}
   */
  function withApiHeaders({ headers: { authorization } }, answer) {
    const { limit, used, remaining, reset } = rateWindow.state()
    const isCacheable = answer.status === 200 || answer.status === 304
    const reach = authorization ? 'private' : 'public'
    answered += 1
    const headers = {
      ...(isCacheable && { 'cache-control': `${reach}, max-age=60, s-maxage=60` }),
      vary: 'Accept, Authorization, Cookie, X-GitHub-OTP',
      'x-github-request-id': `7E57:${answered.toString(16).toUpperCase().padStart(8, '0')}`,
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-reset': String(reset),
      'x-ratelimit-used': String(used),
      'x-ratelimit-resource': 'core',
      ...answer.headers,
    }
    return { ...answer, headers }
  }

  /**
   * @param {string} method
   * @param {ServerResponse} response
   * @param {Answer} answer
   * @param {number} [truncateAt]
   */
  function send(method, response, { status, headers, body }, truncateAt) {
    const isBodiless = status === 204 || status === 304
    const sent = isBodiless || method === 'HEAD' ? NO_BODY : body.subarray(0, truncateAt)
    served.byStatus[status] = (served.byStatus[status] ?? 0) + 1
    served.bytes += sent.length
    if (status === 304) served.notModified += 1

    const date = new Date(now()).toUTCString()
    const length = isBodiless ? {} : { 'content-length': String(body.length) }
    response.writeHead(status, { date, ...length, ...headers })
    if (truncateAt === undefined) {
      response.end(sent)
      return
    }
    response.flushHeaders()
    response.write(sent)
    // Called back once everything before it has left.
    const { socket } = response
    socket?.write('', () => socket.destroy())
  }

  /** @type {Promise<void> | undefined} */
  let closed
  async function closeOnce() {
    stopping.abort()
    const ended = new Promise((resolve) => http.close(resolve))
    http.closeAllConnections()
    await ended
    // A request still being answered could start a closed source again.
    await Promise.all(working)
    await Promise.all(Object.values(repositories).map((source) => source.close()))
  }
  const close = () => (closed ??= closeOnce())

  return {
    url,
    port,
    rawUrl,
    served,
    requests,
    inject(rule) {
      const handle = {
        used: 0,
        remove() {
          rules = rules.filter((other) => other !== entry)
        },
      }
      const entry = { rule, left: rule.times ?? 1, handle }
      rules.push(entry)
      return handle
    },
    reset() {
      Object.assign(served, noneServed())
      requests.length = 0
      rules = []
      rateWindow.clear()
      answered = 0
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
