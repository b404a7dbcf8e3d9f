// @ts-check
// What GitHub answers: REST endpoints and raw files over a set of trees, without any transport.

import { createHash } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { posix } from 'node:path'
import { indexTree } from './git-tree.mjs'

/** @typedef {import('./git-tree.mjs').TreeEntry} TreeEntry */
/** @typedef {import('./git-tree.mjs').TreeSource} TreeSource */

/**
 * @typedef {object} GitHubRequest
 * @property {string} method
 * @property {string} path path and query as sent
 * @property {import('node:http').IncomingHttpHeaders} headers
 */

/** @typedef {{ status: number, headers: Record<string, string>, body: Buffer }} Answer */

/**
 * @typedef {object} RoutesOptions
 * @property {Record<string, TreeSource>} repositories
 * @property {string} defaultBranch
 * @property {string | null} token
 * @property {number | null} truncateTreesAt
 * @property {number} commitCount
 * @property {number} issueCount
 * @property {string} url
 * @property {string} rawUrl
 */

/** GitHub lists no more entries of one directory than this, without saying so. */
const DIRECTORY_LIMIT = 1000
/** Above this size the contents endpoint leaves `content` empty and says `encoding: 'none'`. */
const CONTENT_LIMIT = 1024 * 1024
const RAW_MEDIA_TYPE = /application\/vnd\.github\.(?:v3\.)?raw(?:\+json)?(?![\w.+-])/i

/**
 * @param {unknown} value
 * @param {number} [status]
 * @param {Record<string, string>} [headers]
 * @returns {Answer}
 */
export function json(value, status = 200, headers = {}) {
  const type = 'application/json; charset=utf-8'
  const body = Buffer.from(JSON.stringify(value))
  return { status, headers: { ...media(type, 'format=json'), ...headers }, body }
}

/**
 * An error in GitHub's shape.
 *
 * @param {number} status
 * @param {string} [message]
 * @param {Record<string, string>} [headers]
 */
export function failure(status, message = STATUS_CODES[status] ?? 'Error', headers = {}) {
  const documentation_url = 'https://docs.github.com/rest'
  return json({ message, documentation_url, status: String(status) }, status, headers)
}

/**
 * @param {number} status
 * @param {string | Buffer} body
 * @param {Record<string, string>} [headers]
 * @returns {Answer}
 */
export function plain(status, body, headers = {}) {
  const type = { 'content-type': 'text/plain; charset=utf-8' }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return { status, headers: { ...type, ...headers }, body: bytes }
}

/**
 * Path and query of a request target. Cuts before decoding, so that an encoded slash stays inside
 * its segment, and without `new URL`, which would resolve the dots of hostile names.
 *
 * @param {string} target
 * @returns {{ segments: string[] | null, query: URLSearchParams }} null if the encoding is broken
 */
function splitTarget(target) {
  const [path] = target.split('?', 1)
  const query = new URLSearchParams(target.slice(path.length))
  try {
    return { segments: path.slice(1).split('/').map(decodeURIComponent), query }
  } catch {
    return { segments: null, query }
  }
}

/**
 * @param {string} type
 * @param {string} parameter
 */
const media = (type, parameter) => ({
  'content-type': type,
  'x-github-media-type': `github.v3; ${parameter}`,
})

/** @param {string} path */
const encodePath = (path) => path.split('/').map(encodeURIComponent).join('/')

/** @param {Buffer} bytes */
const base64Lines = (bytes) => bytes.toString('base64').replace(/.{1,60}/g, '$&\n')

/** @param {number} seconds */
const isoTime = (seconds) => new Date(seconds * 1000).toISOString().replace('.000', '')

/** @param {GitHubRequest} request */
const isRead = ({ method }) => method === 'GET' || method === 'HEAD'

/** @param {RoutesOptions} options */
export function createRoutes(options) {
  const { defaultBranch, token, truncateTreesAt, url, rawUrl } = options

  /**
   * @param {string} fullName
   * @param {TreeSource} source
   */
  const openRepository = (fullName, source) => ({
    fullName,
    source,
    index: indexTree(source),
    api: `${url}/repos/${fullName}`,
    html: `${url}/${fullName}`,
    /** Every name of the one commit there is. */
    tips: [
      ...[defaultBranch, `heads/${defaultBranch}`, `refs/heads/${defaultBranch}`],
      ...['HEAD', source.commit],
    ],
  })
  /** @typedef {ReturnType<typeof openRepository>} Repository */

  const repositories = new Map(
    Object.entries(options.repositories).map(([fullName, source]) => [
      fullName.toLowerCase(),
      openRepository(fullName, source),
    ]),
  )

  /**
   * GitHub hides a private repository rather than refusing it.
   *
   * @param {GitHubRequest} request
   * @param {string} owner
   * @param {string} name
   */
  function findRepository(request, owner, name) {
    const sent = /^(?:bearer|token) +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token !== null && sent !== token) return undefined
    return repositories.get(`${owner}/${name}`.toLowerCase())
  }

  /** @param {Repository} repository */
  function repositoryAnswer({ fullName, source, api, html }) {
    const [login, name] = fullName.split('/')
    const time = isoTime(source.time)
    const bytes = source.entries.reduce((sum, { size }) => sum + (size ?? 0), 0)
    const body = {
      id: 1,
      name,
      full_name: fullName,
      private: token !== null,
      owner: { login, id: 1, type: 'Organization' },
      html_url: html,
      description: null,
      fork: false,
      url: api,
      created_at: time,
      updated_at: time,
      pushed_at: time,
      size: Math.ceil(bytes / 1024),
      default_branch: defaultBranch,
      visibility: token === null ? 'public' : 'private',
    }
    return json(body, 200, { 'last-modified': new Date(source.time * 1000).toUTCString() })
  }

  /**
   * @param {Repository} repository
   * @param {string} name of a branch, a commit or a tree
   * @param {boolean} recursive
   */
  function treeAnswer({ source, index, api, tips }, name, recursive) {
    const isTip = tips.includes(name)
    const folder = isTip ? '' : index.folderBySha.get(name)
    if (folder === undefined) return failure(404)

    const found = recursive
      ? source.entries.filter(({ path }) => path.startsWith(folder))
      : (index.children.get(folder) ?? [])
    const limit = recursive ? (truncateTreesAt ?? Infinity) : Infinity
    const tree = found.slice(0, limit).map(({ path, mode, type, sha, size }) => ({
      path: path.slice(folder.length),
      mode,
      type,
      sha,
      ...(size !== null && { size }),
      // A submodule's commit lives in another repository.
      ...(type !== 'commit' && { url: `${api}/git/${type}s/${sha}` }),
    }))
    // As on GitHub, `sha` is what the name stood for: of a branch its commit, not its root tree.
    const sha = isTip ? source.commit : name
    return json({ sha, url: `${api}/git/trees/${sha}`, tree, truncated: found.length > limit })
  }

  /**
   * @param {Repository} repository
   * @param {string} sha
   * @param {string | undefined} rawType
   */
  async function blobAnswer({ source, index, api }, sha, rawType) {
    if (!/^[0-9a-f]{40}$/.test(sha)) return failure(422, 'The sha is not 40 hexadecimal digits.')
    if (!index.blobs.has(sha)) return failure(404)
    const bytes = await source.read(sha)
    if (rawType) return rawAnswer(bytes, rawType)
    return json({
      sha,
      node_id: Buffer.from(`blob:${sha}`).toString('base64'),
      size: bytes.length,
      url: `${api}/git/blobs/${sha}`,
      content: base64Lines(bytes),
      encoding: 'base64',
    })
  }

  /**
   * @param {Buffer} body
   * @param {string} rawType
   * @returns {Answer}
   */
  function rawAnswer(body, rawType) {
    return { status: 200, headers: media(`${rawType}; charset=utf-8`, 'param=raw'), body }
  }

  /**
   * @param {Repository} repository
   * @param {string} path
   * @param {string} ref
   * @param {string | undefined} rawType
   */
  async function contentsAnswer(repository, path, ref, rawType) {
    const { source, index, tips } = repository
    if (!tips.includes(ref)) return failure(404, `No commit found for the ref ${ref}`)
    const entry = index.byPath.get(path)
    if (path === '' || entry?.type === 'tree') {
      const listed = index.children.get(path && `${path}/`) ?? []
      const items = listed.map((child) => describe(repository, child, ref))
      items.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
      return json(items.slice(0, DIRECTORY_LIMIT))
    }
    if (!entry) return failure(404)
    if (entry.type === 'commit') {
      return json({ ...describe(repository, entry, ref), submodule_git_url: null })
    }

    let file = entry
    let bytes = await source.read(file.sha)
    if (entry.mode === '120000') {
      const target = bytes.toString()
      const pointed = index.byPath.get(posix.join(posix.dirname(path), target))
      if (pointed?.type === 'blob' && pointed.mode !== '120000') {
        // A link to a file is answered with that file, under the link's own name.
        file = { ...pointed, path }
        bytes = await source.read(file.sha)
      } else if (!rawType) {
        return json({ ...describe(repository, entry, ref), target })
      }
    }
    if (rawType) return rawAnswer(bytes, rawType)
    const content =
      bytes.length > CONTENT_LIMIT
        ? { content: '', encoding: 'none' }
        : { content: base64Lines(bytes), encoding: 'base64' }
    return json({ ...describe(repository, file, ref), ...content })
  }

  /**
   * @param {Repository} repository
   * @param {TreeEntry} entry
   * @param {string} ref
   */
  function describe({ fullName, api, html }, { path, mode, type, sha, size }, ref) {
    const place = `${encodePath(ref)}/${encodePath(path)}`
    const links = {
      self: `${api}/contents/${encodePath(path)}?ref=${encodeURIComponent(ref)}`,
      git: type === 'commit' ? null : `${api}/git/${type}s/${sha}`,
      html: type === 'commit' ? null : `${html}/${type}/${place}`,
    }
    const kinds = { tree: 'dir', commit: 'submodule', blob: mode === '120000' ? 'symlink' : 'file' }
    return {
      name: path.slice(path.lastIndexOf('/') + 1),
      path,
      sha,
      size: size ?? 0,
      url: links.self,
      html_url: links.html,
      git_url: links.git,
      download_url: type === 'blob' ? `${rawUrl}/${fullName}/${place}` : null,
      type: kinds[type],
      _links: links,
    }
  }

  /**
   * @param {string} base
   * @param {URLSearchParams} query
   * @param {number} count
   * @param {(index: number) => object} item
   */
  function pageAnswer(base, query, count, item) {
    /** @param {string} name */
    const number = (name) => Number.parseInt(query.get(name) ?? '', 10)
    const perPage = Math.min(Math.max(number('per_page') || 30, 1), 100)
    const page = Math.max(number('page') || 1, 1)
    const last = Math.max(Math.ceil(count / perPage), 1)

    /** @type {(rel: string, page: number) => string} */
    const link = (rel, target) => {
      const linked = new URLSearchParams(query)
      linked.set('page', String(target))
      return `<${base}?${linked}>; rel="${rel}"`
    }
    const links = [
      ...(page > 1 ? [link('prev', Math.min(page - 1, last))] : []),
      ...(page < last ? [link('next', page + 1), link('last', last)] : []),
      ...(page > 1 ? [link('first', 1)] : []),
    ]

    const start = (page - 1) * perPage
    const length = Math.min(Math.max(count - start, 0), perPage)
    const items = Array.from({ length }, (_, offset) => item(start + offset))
    return json(items, 200, links.length > 0 ? { link: links.join(', ') } : {})
  }

  /**
   * @param {Repository} repository
   * @param {URLSearchParams} query
   */
  function commitsAnswer({ fullName, source, api, html }, query) {
    /** @param {number} index */
    const shaOf = (index) =>
      index === 0 ? source.commit : createHash('sha1').update(`${fullName} ${index}`).digest('hex')
    return pageAnswer(`${api}/commits`, query, options.commitCount, (index) => {
      const sha = shaOf(index)
      const date = isoTime(source.time - index * 3600)
      const author = { name: 'Example Author', email: 'author@example.invalid', date }
      const parents = index + 1 < options.commitCount ? [shaOf(index + 1)] : []
      return {
        sha,
        commit: { author, committer: author, message: `Commit ${index}` },
        url: `${api}/commits/${sha}`,
        html_url: `${html}/commit/${sha}`,
        parents: parents.map((parent) => ({ sha: parent, url: `${api}/commits/${parent}` })),
      }
    })
  }

  /**
   * @param {Repository} repository
   * @param {URLSearchParams} query
   */
  function issuesAnswer({ source, api, html }, query) {
    return pageAnswer(`${api}/issues`, query, options.issueCount, (index) => {
      const number = options.issueCount - index
      const time = isoTime(source.time - index * 3600)
      return {
        id: number,
        number,
        title: `Issue ${number}`,
        state: 'open',
        user: { login: 'example', id: 1 },
        labels: [],
        comments: 0,
        created_at: time,
        updated_at: time,
        url: `${api}/issues/${number}`,
        html_url: `${html}/issues/${number}`,
        body: `Text of issue ${number}`,
      }
    })
  }

  return {
    /**
     * @param {GitHubRequest} request
     * @returns {Promise<Answer>}
     */
    async api(request) {
      if (!isRead(request)) return failure(405, undefined, { allow: 'GET, HEAD' })
      const { segments, query } = splitTarget(request.path)
      if (!segments) return failure(400)
      const [scope, owner, name, ...rest] = segments
      const repository = scope === 'repos' && findRepository(request, owner, name)
      if (!repository) return failure(404)

      const rawType = RAW_MEDIA_TYPE.exec(request.headers.accept ?? '')?.[0]
      const [endpoint] = rest
      if (endpoint === undefined) return repositoryAnswer(repository)
      if (endpoint === 'contents') {
        const path = rest.slice(1).join('/').replace(/\/$/, '')
        return contentsAnswer(repository, path, query.get('ref') || defaultBranch, rawType)
      }
      if (endpoint === 'git' && rest[1] === 'trees') {
        return treeAnswer(repository, rest.slice(2).join('/'), query.has('recursive'))
      }
      if (endpoint === 'git' && rest[1] === 'blobs' && rest.length === 3) {
        return blobAnswer(repository, rest[2], rawType)
      }
      if (endpoint === 'commits' && rest.length === 1) return commitsAnswer(repository, query)
      if (endpoint === 'issues' && rest.length === 1) return issuesAnswer(repository, query)
      return failure(404)
    },

    /**
     * @param {GitHubRequest} request
     * @returns {Promise<Answer>}
     */
    async raw(request) {
      if (!isRead(request)) return plain(405, '405: Method Not Allowed', { allow: 'GET, HEAD' })
      const [, owner, name, ...rest] = splitTarget(request.path).segments ?? []
      const repository = findRepository(request, owner, name)
      const place = rest.join('/')
      // A ref may hold slashes itself, so it is matched rather than cut off.
      const ref = repository?.tips.find((tip) => place.startsWith(`${tip}/`))
      const entry = ref && repository?.index.byPath.get(place.slice(ref.length + 1))
      if (!repository || !entry || entry.type !== 'blob') return plain(404, '404: Not Found')
      const bytes = await repository.source.read(entry.sha)
      return plain(200, bytes, {
        // Git's own test for a binary file.
        ...(bytes.subarray(0, 8000).includes(0) && { 'content-type': 'application/octet-stream' }),
        'cache-control': 'max-age=300',
      })
    },
  }
}
