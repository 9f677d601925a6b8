--
-- PostgreSQL database dump
--

-- Dumped from database version 15.12

SET statement_timeout = 0;
SET client_encoding = 'UTF8';

CREATE TABLE public.posts (
    id integer NOT NULL,
    raw text NOT NULL
);

--
-- Data for Name: categories; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.categories (id, name, color, topic_count, created_at, user_id, slug, read_restricted, "position", parent_category_id) FROM stdin;
1	Uncategorized	0088CC	0	2020-01-01 00:00:00.000000	-1	uncategorized	f	0	\N
4	Bug reports	FF0000	2	2020-01-01 00:00:00.000000	-1	bugs	f	1	\N
5	Camera	FF0000	1	2020-01-01 00:00:00.000000	-1	camera	f	2	4
6	Staff	000000	1	2020-01-01 00:00:00.000000	-1	staff	t	3	\N
7	Support	00FF00	1	2020-01-01 00:00:00.000000	-1	support	f	4	\N
\.


--
-- Data for Name: email_tokens; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.email_tokens (id, user_id, email) FROM stdin;
1	11	bea@example.org
\.


--
-- Data for Name: posts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.posts (id, user_id, topic_id, post_number, raw, cooked, created_at, updated_at, reply_to_post_number, deleted_at, like_count, post_type, hidden, user_deleted) FROM stdin;
202	12	41	2	[quote="bea, post:1, topic:41"]\nIt closes.\n[/quote]\n\nMine too, see https://forum.example.org/t/how-to-flash/42/3 and /t/42.\n\n```\n[quote="x"] #41 https://forum.example.org/t/42\n```	<p>x</p>	2022-01-02 10:00:00.5	2022-01-02 10:00:00.5	\N	\N	1	1	f	f
201	11	41	1	The camera closes \\ at five\ttimes zoom.\n\n![shot|690x388](upload://tVDvypVeOKhJuuQTJMVlOw1NC65.png)	<p>x</p>	2022-01-01 10:00:00.123456	2022-01-01 10:00:00.123456	\N	\N	5	1	f	f
203	-1	41	3	This topic was automatically closed.	<p>x</p>	2022-03-01 00:00:00	2022-03-01 00:00:00	\N	\N	0	3	f	f
204	11	42	1	How do I flash it?	<p>x</p>	2022-02-01 00:00:00	2022-02-01 00:00:00	\N	\N	2	1	f	f
205	12	42	2	Hold both keys.	<p>x</p>	2022-02-01 01:00:00	2022-02-01 01:00:00	\N	\N	0	1	f	f
206	\N	42	3	Thanks	<p>x</p>	2022-02-01 02:00:00	2022-02-01 02:00:00	\N	\N	0	1	f	f
207	12	42	4	only staff reads this	<p>x</p>	2022-02-01 03:00:00	2022-02-01 03:00:00	\N	\N	0	4	f	f
208	12	42	5	gone	<p>x</p>	2022-02-01 04:00:00	2022-02-01 04:00:00	\N	2022-02-02 00:00:00	0	1	f	f
209	12	42	6	BUY NOW	<p>x</p>	2022-02-01 05:00:00	2022-02-01 05:00:00	\N	\N	0	1	t	f
210	11	43	1	a secret to one member	<p>x</p>	2022-02-03 00:00:00	2022-02-03 00:00:00	\N	\N	0	1	f	f
211	11	44	1	a secret of staff	<p>x</p>	2022-02-03 00:00:00	2022-02-03 00:00:00	\N	\N	0	1	f	f
212	11	45	1	a deleted topic	<p>x</p>	2022-02-03 00:00:00	2022-02-03 00:00:00	\N	\N	0	1	f	f
213	11	99	1	of no topic	<p>x</p>	2022-02-03 00:00:00	2022-02-03 00:00:00	\N	\N	0	1	f	f
\.


COPY public.stylesheet_cache (id, target) FROM stdin;
1	desktop
\.


--
-- Data for Name: tags; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.tags (id, name, topic_count, created_at) FROM stdin;
1	hlte	1	2020-01-01 00:00:00
2	zoom	1	2020-01-01 00:00:00
\.


--
-- Data for Name: topic_custom_fields; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.topic_custom_fields (id, topic_id, name, value) FROM stdin;
1	42	accepted_answer_post_id	205
2	41	other	x
\.


--
-- Data for Name: topic_tags; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.topic_tags (id, topic_id, tag_id) FROM stdin;
1	41	1
2	41	2
\.


--
-- Data for Name: topics; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.topics (id, title, last_posted_at, created_at, updated_at, views, posts_count, user_id, deleted_at, like_count, category_id, visible, closed, archived, archetype) FROM stdin;
41	Camera closes at five times zoom	2022-01-01 10:00:00.123456	2022-01-01 10:00:00.123456	2022-01-01 10:00:00.123456	9	3	11	\N	9	5	t	t	f	regular
42	How to flash [it]	2022-02-01 00:00:00	2022-02-01 00:00:00	2022-02-01 00:00:00	9	3	11	\N	9	7	t	f	f	regular
43	Between us	2022-02-03 00:00:00	2022-02-03 00:00:00	2022-02-03 00:00:00	9	3	11	\N	9	\N	t	f	f	private_message
44	For staff	2022-02-03 00:00:00	2022-02-03 00:00:00	2022-02-03 00:00:00	9	3	11	\N	9	6	t	f	f	regular
45	Deleted	2022-02-03 00:00:00	2022-02-03 00:00:00	2022-02-03 00:00:00	9	3	11	2022-02-04 00:00:00	9	4	t	f	f	regular
46	Without posts	2022-02-03 00:00:00	2022-02-03 00:00:00	2022-02-03 00:00:00	9	3	11	\N	9	4	t	f	f	regular
\.


--
-- Data for Name: uploads; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.uploads (id, user_id, original_filename, filesize, url, created_at, sha1, extension, secure) FROM stdin;
1	11	shot.png	100	/uploads/default/original/1X/d1c2f7e1b3a4958677ff00112233445566778899.png	2022-01-01 10:00:00	d1c2f7e1b3a4958677ff00112233445566778899	png	f
\.


--
-- Data for Name: user_emails; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.user_emails (id, user_id, email, "primary") FROM stdin;
1	11	bea@example.org	t
2	12	cyd@example.org	t
\.


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.users (id, username, created_at, name, username_lower, ip_address, admin) FROM stdin;
-1	system	2020-01-01 00:00:00	system	system	\N	t
11	bea	2020-01-01 00:00:00	Bea B	bea	198.51.100.7	f
12	cyd	2020-01-01 00:00:00	Cyd	cyd	198.51.100.8	f
\.


SELECT pg_catalog.setval('public.posts_id_seq', 213, true);

--
-- PostgreSQL database dump complete
--

