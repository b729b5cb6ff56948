// Package signin is what pages for the operator share: who has signed in, and how many wrong passwords one address may try.
package signin
