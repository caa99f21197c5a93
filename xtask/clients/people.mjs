// A person logs in to an application that was made with somebody else's library: oauth4webapi or openid-client.
// Reads one question, prints one line for each case. For https, NODE_EXTRA_CA_CERTS names the authority's certificate.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { Visitor } from './visitor.mjs'

// Node 18 has Web Cryptography, but does not show it to everybody.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey

const CALLBACK = 'http://localhost:3000/callback'
const HOME = 'http://localhost:3000'
const SCOPE = 'openid profile email offline_access'
const AUDIENCE = 'api.calendar'

let text = ''
for await (const chunk of process.stdin.setEncoding('utf8')) {
  text += chunk
}
const { issuer, library, secret, person } = JSON.parse(text)
const insecure = issuer.startsWith('http:')
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
let count = 0

async function attempt(name, run) {
  count += 1
  try {
    await run()
    say({ name, ok: true })
  } catch (error) {
    const cause = error?.cause ? `\ncaused by ${JSON.stringify(error.cause)}` : ''
    say({ name, ok: false, why: `${error?.stack ?? error}${cause}` })
  }
}

function known(claims, userinfo) {
  assert.equal(claims.iss, issuer)
  assert.equal(claims.email, person.username)
  assert.equal(claims.email_verified, true)
  assert.equal(userinfo.sub, claims.sub)
  assert.equal(userinfo.email, person.username)
  assert.equal(userinfo.name, claims.name)
}

/** RP-initiated logout: the browser comes back to the application, and the next request asks who is there. */
async function logsOut(visitor, endpoint, id, login) {
  const before = visitor.logins
  const address = new URL(endpoint)
  const fields = { post_logout_redirect_uri: HOME, state: 'a state' }
  for (const [name, value] of Object.entries({ id_token_hint: id, ...fields })) {
    address.searchParams.set(name, address.searchParams.get(name) ?? value)
  }
  const back = await visitor.visit(address, HOME, person)
  assert.equal(back.searchParams.get('state'), fields.state)
  assert.equal(visitor.logins, before, 'to log out takes no password')
  await login()
  assert.equal(visitor.logins, before + 1, 'the session is over')
}

async function oauth4webapi() {
  const oauth = await import('oauth4webapi')
  const http = { [oauth.allowInsecureRequests]: insecure }
  const at = new URL(issuer)
  const server = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, http))
  const visitor = new Visitor()

  async function code(client) {
    const verifier = oauth.generateRandomCodeVerifier()
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
    const address = new URL(server.authorization_endpoint)
    address.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: CALLBACK,
      response_type: 'code',
      scope: SCOPE,
      audience: AUDIENCE,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    const back = await visitor.visit(address, CALLBACK, person)
    assert.equal(server.authorization_response_iss_parameter_supported, true)
    assert.throws(() => {
      const forged = new URL(back)
      forged.searchParams.set('iss', 'https://elsewhere.example/')
      oauth.validateAuthResponse(server, client, forged, state)
    }, /"iss"/)
    return { verifier, nonce, back: oauth.validateAuthResponse(server, client, back, state) }
  }

  const exchange = (client, authentication, back, verifier) =>
    oauth.authorizationCodeGrantRequest(server, client, authentication, back, CALLBACK, verifier, http)

  async function tokens(client, authentication) {
    const { verifier, nonce, back } = await code(client)
    const answer = await exchange(client, authentication, back, verifier)
    const result = await oauth.processAuthorizationCodeResponse(server, client, answer, {
      expectedNonce: nonce,
      requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(server, answer, http)
    const claims = oauth.getValidatedIdTokenClaims(result)
    const reply = await oauth.userInfoRequest(server, client, result.access_token, http)
    known(claims, await oauth.processUserInfoResponse(server, client, claims.sub, reply))
    const renewed = await oauth.refreshTokenGrantRequest(server, client, authentication, result.refresh_token, http)
    const next = await oauth.processRefreshTokenResponse(server, client, renewed)
    assert.notEqual(next.access_token, result.access_token)
    return { back, verifier, id: result.id_token, refresh: next.refresh_token }
  }

  /** Ends what a login gave: the refresh token first, then the session of the browser. */
  async function ends(client, authentication) {
    const { id, refresh } = await tokens(client, authentication)
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, refresh, http))
    const late = await oauth.refreshTokenGrantRequest(server, client, authentication, refresh, http)
    await assert.rejects(
      oauth.processRefreshTokenResponse(server, client, late),
      (error) => error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant',
    )
    // A token that is gone is as good as revoked (RFC 7009 §2.2).
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, refresh, http))
    await logsOut(visitor, server.end_session_endpoint, id, () => code(client))
  }

  async function refused(client, authentication, back, verifier) {
    const answer = await exchange(client, authentication, back, verifier)
    await assert.rejects(
      oauth.processAuthorizationCodeResponse(server, client, answer),
      (error) => error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant',
    )
  }

  const [open, web] = [{ client_id: 'calendar-spa' }, { client_id: 'calendar-web' }]
  let used
  await attempt('a_public_client_gets_tokens_for_a_code', async () => {
    used = await tokens(open, oauth.None())
  })
  await attempt('a_code_that_was_used_is_refused', () => refused(open, oauth.None(), used.back, used.verifier))
  await attempt('a_wrong_verifier_is_refused', async () => {
    const { back } = await code(open)
    await refused(open, oauth.None(), back, oauth.generateRandomCodeVerifier())
  })
  await attempt('a_confidential_client_gets_tokens_by_client_secret_post', () =>
    tokens(web, oauth.ClientSecretPost(secret)))
  await attempt('a_confidential_client_gets_tokens_by_client_secret_basic', () =>
    tokens(web, oauth.ClientSecretBasic(secret)))
  await attempt('a_public_client_revokes_and_logs_out', () => ends(open, oauth.None()))
  await attempt('a_confidential_client_revokes_and_logs_out', () => ends(web, oauth.ClientSecretBasic(secret)))
  await attempt('another_clients_code_is_refused', async () => {
    const { back, verifier } = await code(open)
    await refused(web, oauth.ClientSecretPost(secret), back, verifier)
  })
}

async function openidClient() {
  const oidc = await import('openid-client')
  const execute = insecure ? [oidc.allowInsecureRequests] : []
  const visitor = new Visitor()
  const configure = (client, authentication) => oidc.discovery(new URL(issuer), client, undefined, authentication, { execute })

  async function begin(configuration) {
    const verifier = oidc.randomPKCECodeVerifier()
    const checks = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() }
    const address = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: CALLBACK,
      scope: SCOPE,
      audience: AUDIENCE,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
    })
    return { back: await visitor.visit(address, CALLBACK, person), checks }
  }

  async function tokens(configuration) {
    oidc.enableNonRepudiationChecks(configuration)
    const { back, checks } = await begin(configuration)
    const result = await oidc.authorizationCodeGrant(configuration, back, checks)
    const claims = result.claims()
    known(claims, await oidc.fetchUserInfo(configuration, result.access_token, claims.sub))
    const next = await oidc.refreshTokenGrant(configuration, result.refresh_token)
    assert.notEqual(next.access_token, result.access_token)
    return { back, checks, id: result.id_token, refresh: next.refresh_token }
  }

  async function ends(configuration) {
    const { id, refresh } = await tokens(configuration)
    await oidc.tokenRevocation(configuration, refresh, { token_type_hint: 'refresh_token' })
    await refused(oidc.refreshTokenGrant(configuration, refresh))
    const address = oidc.buildEndSessionUrl(configuration, {
      post_logout_redirect_uri: HOME,
      id_token_hint: id,
      state: 'a state',
    })
    await logsOut(visitor, address, id, () => begin(configuration))
  }

  const refused = (promise) =>
    assert.rejects(promise, (error) => error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant')

  const open = await configure('calendar-spa', oidc.None())
  let used
  await attempt('a_public_client_gets_tokens_for_a_code', async () => {
    used = await tokens(open)
  })
  await attempt('a_code_that_was_used_is_refused', () =>
    refused(oidc.authorizationCodeGrant(open, used.back, used.checks)))
  await attempt('a_wrong_verifier_is_refused', async () => {
    const { back, checks } = await begin(open)
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
    await refused(oidc.authorizationCodeGrant(open, back, { ...checks, pkceCodeVerifier }))
  })
  await attempt('a_confidential_client_gets_tokens_by_client_secret_post', async () =>
    tokens(await configure('calendar-web', oidc.ClientSecretPost(secret))))
  await attempt('a_confidential_client_gets_tokens_by_client_secret_basic', async () =>
    tokens(await configure('calendar-web', oidc.ClientSecretBasic(secret))))
  await attempt('a_public_client_revokes_and_logs_out', () => ends(open))
  await attempt('a_confidential_client_revokes_and_logs_out', async () =>
    ends(await configure('calendar-web', oidc.ClientSecretPost(secret))))
}

await { oauth4webapi, 'openid-client': openidClient }[library]()
say({ done: count })
