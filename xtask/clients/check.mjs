// One question about a token, asked with jose: the same questions and answers as check.py.
// For https, NODE_EXTRA_CA_CERTS names the authority's certificate.
import { webcrypto } from 'node:crypto'

// Node 18 has Web Cryptography, but does not show it to everybody.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const jose = await import('jose')

const patience = () => AbortSignal.timeout(30_000)

async function token(question) {
  const asJson = question.encoding === 'json'
  const answer = await fetch(question.url, {
    method: 'POST',
    headers: { 'content-type': asJson ? 'application/json' : 'application/x-www-form-urlencoded' },
    body: asJson ? JSON.stringify(question.fields) : new URLSearchParams(question.fields),
    signal: patience(),
  })
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.json() }
}

async function verify(question) {
  const { issuer, audience, algorithms, typ } = question
  const answer = await fetch(`${issuer}.well-known/openid-configuration`, { signal: patience() })
  const metadata = await answer.json()
  if (metadata.issuer !== issuer) {
    throw new Error(`discovery names the issuer ${metadata.issuer}, not ${issuer}`)
  }
  const key = question.secret
    ? new TextEncoder().encode(question.secret)
    : jose.createRemoteJWKSet(new URL(metadata.jwks_uri))
  const options = { issuer, audience, algorithms, typ, requiredClaims: ['sub', 'iat', 'exp'] }
  try {
    const { payload, protectedHeader } = await jose.jwtVerify(question.token, key, options)
    return { accepted: true, header: protectedHeader, claims: payload }
  } catch (error) {
    if (error instanceof jose.errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT') {
      return { accepted: false, error: error.code }
    }
    throw error
  }
}

let text = ''
for await (const chunk of process.stdin.setEncoding('utf8')) {
  text += chunk
}
const question = JSON.parse(text)
const operation = { token, verify }[question.op]
process.stdout.write(JSON.stringify(await operation(question)))
