// Auth0's browser libraries and oidc-client-ts, unchanged, in an application on another origin than the server's.
import assert from 'node:assert/strict'
import * as h from './harness.mjs'

const question = await h.question()
const { http, https } = question.origins
const cases = new h.Cases('')
const browser = await h.start(question)
const SCOPE = 'openid profile email read'
const ORIGIN = new URL(h.CALLBACK).origin

async function login(somebody) {
  await somebody.page.waitForURL(/\/u\/login/)
  await somebody.login()
  if (somebody.path() === '/u/consent') {
    await somebody.submit('accept')
  }
  await somebody.page.waitForURL((url) => url.href.startsWith(h.CALLBACK))
}

async function spa(origin, name, { useRefreshTokens } = {}) {
  // As Auth0's customers write it: no scheme for https.
  const domain = origin.startsWith('https:') ? new URL(origin).host : origin.replace(/\/$/, '')
  const settings = {
    domain,
    clientId: 'calendar-spa',
    useRefreshTokens,
    authorizationParams: { redirect_uri: h.CALLBACK, audience: 'api.calendar', scope: SCOPE },
  }
  await cases.case(`spa_js_${name}`, () =>
    // Refresh tokens are for browsers whose frames of other sites have no cookies.
    h.person(browser, { thirdPartyCookies: !useRefreshTokens }, async (somebody) => {
      const { page } = somebody
      const load = async () => {
        await page.addScriptTag({ url: '/spa.js' })
        await page.evaluate(async (settings) => {
          globalThis.client = await globalThis.auth0.createAuth0Client(settings)
        }, settings)
      }
      await somebody.visit(`${ORIGIN}/`)
      await load()
      await page.evaluate(() => void globalThis.client.loginWithRedirect({ appState: { from: 'here' } }))
      await login(somebody)
      await load()
      const back = await page.evaluate(() => globalThis.client.handleRedirectCallback())
      assert.equal(back.appState.from, 'here')
      assert.equal((await page.evaluate(() => globalThis.client.getUser())).email, h.USER)
      const keys = await h.keys(origin)
      const held = await page.evaluate(() => globalThis.client.getTokenSilently())
      const renewed = await page.evaluate(() => globalThis.client.getTokenSilently({ cacheMode: 'off' }))
      assert.notEqual(held, renewed, 'a new token, not the one that was kept')
      const [one, other] = [await h.claims(origin, held, keys), await h.claims(origin, renewed, keys)]
      assert.equal(one.sub, other.sub)
      assert.equal(one.azp, 'calendar-spa')
    }))
}

/** oidc-client-ts: logs in, refreshes, revokes, logs out. */
async function oidcClient(origin, name) {
  const settings = {
    authority: origin,
    client_id: 'calendar-spa',
    redirect_uri: h.CALLBACK,
    post_logout_redirect_uri: ORIGIN,
    response_type: 'code',
    scope: `${SCOPE} offline_access`,
    extraQueryParams: { audience: 'api.calendar' },
    loadUserInfo: true,
    automaticSilentRenew: false,
  }
  await cases.case(`oidc_client_ts_${name}`, () =>
    h.person(browser, {}, async (somebody) => {
      const { page } = somebody
      const load = async () => {
        await page.addScriptTag({ url: '/oidc.js' })
        await page.evaluate((settings) => {
          const { UserManager, WebStorageStateStore } = globalThis.oidc
          globalThis.client = new UserManager({
            ...settings,
            userStore: new WebStorageStateStore({ store: globalThis.localStorage }),
          })
        }, settings)
      }
      const tokens = (method) =>
        page.evaluate(async (method) => {
          const user = await globalThis.client[method]()
          return { access: user.access_token, refresh: user.refresh_token, email: user.profile.email }
        }, method)
      const signin = async () => {
        await somebody.visit(`${ORIGIN}/`)
        await load()
        await page.evaluate(() => void globalThis.client.signinRedirect())
        await login(somebody)
        await load()
        return tokens('signinCallback')
      }
      const first = await signin()
      assert.equal(first.email, h.USER)
      const second = await tokens('signinSilent')
      assert.notEqual(second.access, first.access)
      assert.notEqual(second.refresh, first.refresh, 'the refresh token rotates')
      const keys = await h.keys(origin)
      const [one, other] = [await h.claims(origin, first.access, keys), await h.claims(origin, second.access, keys)]
      assert.equal(one.sub, other.sub)

      // The library forgets what it revoked; somebody who copied it does not.
      await page.evaluate(() => globalThis.client.revokeTokens(['refresh_token']))
      const form = { grant_type: 'refresh_token', client_id: 'calendar-spa', refresh_token: second.refresh }
      const body = new URLSearchParams(form)
      const answer = await fetch(`${origin}oauth/token`, { method: 'POST', body })
      assert.equal((await answer.json()).error, 'invalid_grant')

      await page.evaluate(() => void globalThis.client.signoutRedirect({ state: { from: 'here' } }))
      await page.waitForURL((url) => url.origin === ORIGIN && url.pathname === '/')
      await load()
      const left = await page.evaluate(async () => {
        const { userState } = await globalThis.client.signoutCallback()
        return { userState, user: await globalThis.client.getUser() }
      })
      assert.deepEqual(left, { userState: { from: 'here' }, user: null })
      // `login` waits for the page that asks who is there: the session is over.
      assert.equal((await signin()).email, h.USER)
    }))
}

async function auth0Js(responseType, name) {
  const settings = {
    domain: new URL(https).host,
    clientID: 'calendar-spa',
    redirectUri: h.CALLBACK,
    audience: 'api.calendar',
    scope: SCOPE,
    responseType,
  }
  await cases.case(`auth0_js_${name}`, () =>
    h.person(browser, { thirdPartyCookies: true }, async (somebody) => {
      const { page } = somebody
      const load = async () => {
        await page.addScriptTag({ url: '/auth0.js' })
        await page.evaluate((settings) => {
          globalThis.client = new globalThis.auth0.WebAuth(settings)
        }, settings)
      }
      const call = (method, argument) =>
        page.evaluate(
          ([method, argument]) =>
            new Promise((resolve, reject) =>
              globalThis.client[method](argument, (error, result) =>
                error ? reject(new Error(JSON.stringify(error))) : resolve(result))),
          [method, argument],
        )
      await somebody.visit(`${ORIGIN}/`)
      await load()
      await page.evaluate(() => globalThis.client.authorize())
      await login(somebody)
      await load()
      const parsed = await call('parseHash', {})
      const renewed = await call('checkSession', {})
      const keys = await h.keys(https)
      const [one, other] = [await h.claims(https, parsed.accessToken, keys), await h.claims(https, renewed.accessToken, keys)]
      assert.equal(one.sub, other.sub)
      assert.ok(one.scope.includes('read'))
      if (responseType.includes('id_token')) {
        assert.equal(parsed.idTokenPayload.sub, one.sub)
        assert.equal(renewed.idTokenPayload.sub, one.sub)
      }
    }))
}

await auth0Js('token', 'parses_the_fragment_and_checks_the_session_for_a_token')
await auth0Js('token id_token', 'parses_the_fragment_and_checks_the_session_for_both_tokens')
await spa(https, 'logs_in_and_renews_over_https')
await spa(http, 'logs_in_and_renews_over_http')
await oidcClient(https, 'refreshes_revokes_and_logs_out_over_https')
await oidcClient(http, 'refreshes_revokes_and_logs_out_over_http')
await spa(https, 'renews_with_a_refresh_token', { useRefreshTokens: true })

await browser.close()
cases.say({ done: cases.count })
