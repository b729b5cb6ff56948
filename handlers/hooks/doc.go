// Package hooks asks the application's backend by HTTP: it posts signed events to one URL and reads what to do about them.
//
// Rule: signatures are those of [Standard Webhooks].
//
// [Standard Webhooks]: https://www.standardwebhooks.com
package hooks
