package site

import (
	"github.com/fridayos/friday/internal/site/account"
	"github.com/fridayos/friday/internal/site/desk"
	"github.com/fridayos/friday/internal/site/forum"
	"github.com/fridayos/friday/internal/site/office"
	"github.com/fridayos/friday/internal/site/order"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/report"
)

type route struct {
	Pattern string
	Need    page.Need
	Handle  func(c *page.Call) error
}

// bodies are the requests that may be larger than page.MaxBody, in bytes.
var bodies = map[string]int64{"POST /report": report.MaxUpload + 1<<20}

// routes is every page and form. The test of the permission matrix walks it.
var routes = []route{
	{"GET /{$}", page.Anyone, page.Kept(forum.Home)},
	{"GET /t", page.Anyone, page.Kept(forum.Threads)},
	{"GET /t/new", page.SignedIn, forum.New},
	{"POST /t/new", page.SignedIn, forum.File},
	{"GET /t/alike", page.SignedIn, forum.Alike},
	{"GET /t/{thread}", page.Anyone, page.Kept(forum.Thread)},
	{"GET /t/{thread}/way", page.Anyone, page.Kept(forum.Way)},
	{"GET /p/{post}", page.Anyone, forum.Post},
	{"GET /p/{post}/whole", page.Anyone, page.Kept(forum.WholePost)},
	{"GET /p/{post}/edit", page.SignedIn, order.Edit},
	{"POST /p/{post}/edit", page.SignedIn, order.DoEdit},
	{"GET /p/{post}/history", page.Anyone, page.Kept(order.History)},
	{"POST /t/{thread}/accept", page.SignedIn, order.Accept},
	{"POST /t/{thread}/mute", page.SignedIn, order.Mute},
	{"POST /t/{thread}/installed", page.SignedIn, forum.Installed},
	{"GET /t/{thread}/polls", page.Anyone, order.Polls},
	{"POST /t/{thread}/polls", page.SignedIn, order.PutPoll},
	{"POST /t/{thread}/polls/{poll}", page.SignedIn, order.VotePoll},
	{"POST /t/{thread}/polls/{poll}/end", page.SignedIn, order.EndPoll},
	{"GET /t/{thread}/tools", page.Moderator, order.Tools},
	{"POST /t/{thread}/lock", page.Moderator, order.Lock},
	{"POST /t/{thread}/pin", page.Moderator, order.Pin},
	{"POST /t/{thread}/move", page.Moderator, order.Move},
	{"POST /t/{thread}/merge", page.Moderator, order.Merge},
	{"POST /t/{thread}/unmerge", page.Moderator, order.Unmerge},
	{"POST /t/{thread}/split", page.Moderator, order.Split},
	{"POST /t/{thread}/duplicate", page.SignedIn, order.Point},
	{"POST /t/{thread}/name", page.Maintainer, order.Name},
	{"POST /t/{thread}/publish", page.Maintainer, order.Publish},
	{"GET /objections", page.Maintainer, order.Objections},
	{"GET /duplicates", page.Moderator, order.Duplicates},
	{"POST /t/{thread}/reply", page.SignedIn, forum.Reply},
	{"POST /t/{thread}/vote", page.SignedIn, forum.Vote},
	{"POST /t/{thread}/metoo", page.SignedIn, forum.MeToo},
	{"POST /t/{thread}/watch", page.SignedIn, forum.Watch},
	{"POST /t/{thread}/answer", page.SignedIn, forum.Answer},
	{"POST /t/{thread}/object", page.SignedIn, forum.Object},
	{"POST /t/{thread}/mark", page.Maintainer, forum.Mark},
	{"POST /t/{thread}/hide", page.Moderator, forum.Hide},
	{"GET /report", page.SignedIn, report.Send},
	{"POST /report", page.SignedIn, report.Take},
	{"GET /report/{report}", page.Anyone, report.Show},
	{"GET /report/{report}/text", page.Anyone, report.Text},
	{"POST /report/{report}/publish", page.SignedIn, report.Publish},
	{"POST /report/{report}/withdraw", page.SignedIn, report.Withdraw},
	{"GET /crash/{fingerprint}", page.Anyone, report.Cluster},
	{"GET /d", page.Anyone, page.Kept(office.Devices)},
	{"GET /d/{codename}", page.Anyone, page.Kept(office.Device)},
	{"GET /r", page.Anyone, page.Kept(office.Releases)},
	{"GET /r/{release}", page.Anyone, page.Kept(office.Release)},
	{"GET /train", page.Anyone, page.Kept(office.Console)},
	{"POST /train/cut", page.Admin, office.Cut},
	{"POST /train/skip", page.Admin, office.Skip},
	{"POST /train/move", page.Maintainer, office.Move},
	{"GET /m/{name}", page.Anyone, page.Kept(account.Member)},
	{"POST /m/{name}/roles", page.Admin, account.SetRoles},
	{"GET /me", page.SignedIn, account.Me},
	{"POST /me/claim", page.SignedIn, account.Claim},
	{"POST /me/sessions/end", page.SignedIn, account.EndSession},
	{"GET /me/tokens", page.SignedIn, account.Tokens},
	{"POST /me/tokens", page.SignedIn, account.NewToken},
	{"POST /me/tokens/revoke", page.SignedIn, account.RevokeToken},
	{"POST /me/sessions/others", page.SignedIn, account.EndOthers},
	{"GET /me/safety", page.SignedIn, account.Safety},
	{"POST /me/password", page.SignedIn, account.Password},
	{"POST /me/codes", page.SignedIn, account.Codes},
	{"POST /me/mail", page.SignedIn, account.SetMail},
	{"POST /me/mail/remove", page.SignedIn, account.RemoveMail},
	{"GET /me/mail/confirm", page.Anyone, account.ConfirmMail},
	{"POST /me/mail/confirm", page.Anyone, account.DoConfirmMail},
	{"POST /me/passkeys/begin", page.SignedIn, account.BeginAdd},
	{"POST /me/passkeys", page.SignedIn, account.AddPasskey},
	{"POST /me/passkeys/rename", page.SignedIn, account.RenamePasskey},
	{"POST /me/passkeys/remove", page.SignedIn, account.RemovePasskey},
	{"POST /me/identities/remove", page.SignedIn, account.RemoveIdentity},
	{"POST /me/with", page.SignedIn, account.WithOwn},
	{"POST /me/export", page.SignedIn, account.Export},
	{"POST /me/delete", page.SignedIn, account.Delete},
	{"GET /me/prove", page.SignedIn, account.Prove},
	{"POST /me/prove", page.SignedIn, account.DoProve},
	{"POST /me/prove/passkey/begin", page.SignedIn, account.BeginProve},
	{"POST /me/prove/passkey", page.SignedIn, account.ByProve},
	{"POST /signin/passkey/begin", page.Anyone, account.BeginPasskey},
	{"POST /signin/passkey", page.Anyone, account.ByPasskey},
	{"POST /signin/with", page.Anyone, account.With},
	{"GET /signin/with/callback", page.Anyone, account.Back},
	{"GET /signin/arrive", page.Anyone, account.Arrive},
	{"POST /signin/arrive", page.Anyone, account.DoArrive},
	{"GET /recover", page.Anyone, account.Recover},
	{"POST /recover", page.Anyone, account.DoRecover},
	{"POST /recover/mail", page.Anyone, account.RecoverByMail},
	{"GET /recover/new", page.Anyone, account.NewPassword},
	{"POST /recover/new", page.Anyone, account.DoNewPassword},
	{"GET /signin", page.Anyone, account.SignIn},
	{"POST /signin", page.Anyone, account.DoSignIn},
	{"GET /register", page.Anyone, account.Register},
	{"POST /register", page.Anyone, account.DoRegister},
	{"POST /signout", page.SignedIn, account.SignOut},
	{"GET /first-run", page.Anyone, account.FirstRun},
	{"POST /first-run", page.Anyone, account.DoFirstRun},
	{"GET /flag/{kind}/{id}", page.SignedIn, desk.Flag},
	{"POST /flag/{kind}/{id}", page.SignedIn, desk.Raise},
	{"GET /desk", page.Moderator, desk.Queue},
	{"GET /desk/log", page.Moderator, desk.Log},
	{"GET /desk/{kind}/{id}", page.Moderator, desk.Judge},
	{"POST /desk/{kind}/{id}", page.Moderator, desk.Decide},
	{"POST /desk/lift/{decision}", page.Moderator, desk.Lift},
	{"POST /desk/answer/{decision}", page.Moderator, desk.Answer},
	{"GET /me/record", page.SignedIn, desk.Record},
	{"POST /me/record/{decision}/appeal", page.SignedIn, desk.Appeal},
	{"GET /u/{id}/{name}", page.Anyone, desk.File},
	{"POST /language", page.Anyone, page.ChooseLanguage},
}

// takesFiles are the forms that may carry pictures and attachments.
var takesFiles = map[string]bool{
	"POST /t/new":            true,
	"POST /t/{thread}/reply": true,
}
