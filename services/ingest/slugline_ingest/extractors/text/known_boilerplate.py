"""Known boilerplate: the only place where phrases of pages' own furniture are listed.

A start, not the method: what is not listed is recognised by what it speaks of and where it stands
(`boilerplate`). All of it is in lower case and with straight quotes; lines are matched so.
"""

#: A number as counters have it: `1,204`, `1 204`, `1.2K`.
_COUNT = r"\(?\d[\d.,' ]*[km]?\)?"
#: Whole lines: buttons, counters and labels. Regular expressions.
LINES = (
    r"(?:(?:view|show|read|see|go to|open|leave a|all) ){0,2}"
    rf"(?:{_COUNT} )?comments?(?: {_COUNT})?",
    r"comments ?go to comments",
    r"share(?: this)?(?: post| article| page| story| update)?(?: (?:on|via) \w+)?",
    r"share this with|share page|share (?:on )?(?:facebook|twitter|x|whatsapp|linkedin|email)",
    r"(?:copy|copied)(?: (?:link|url))?(?: to clipboard)?|link copied!?|copy this link",
    r"about sharing|sharing this update|article share tools|(?:view )?more share options",
    r"find out more|skip to timeline|show key events only|all times (?:stated )?are .{2,20}",
    r"follow (?:the|our|this) author|suivez (?:notre|le) direct|breaking(?: news)?",
    r"(?:facebook|twitter|x|whatsapp|linkedin|email|e-mail|telegram|reddit|pinterest|messenger"
    r"|instagram|youtube|tiktok|flipboard|bluesky|threads|print)(?:[ ,|/]+(?:facebook|twitter"
    r"|x|whatsapp|linkedin|email|e-mail|telegram|reddit|pinterest|messenger|print|copy link))*",
    r"save(?: article)?|saved|bookmark(?:ed)?(?: popover)?|removed from bookmarks|close popover",
    r"advertise?ments?|ad|sponsored|promoted|story continues below(?: advertisement)?"
    r"|article continues (?:below|after)(?: (?:this )?advertisement)?",
    r"close|menu|search|skip to (?:main )?content|jump to content|back to top|top|next|previous",
    r"(?:load|show|see|view) (?:more|older|newer|latest|new)(?: (?:posts|updates|entries))?",
    r"newest|oldest|newest first|oldest first|sort by|refresh|auto-?refresh|new updates?",
    r"subscribe(?: now| here)?|sign (?:in|up|out)(?: now)?|log (?:in|out)|register(?: now)?"
    r"|my account|join us|donate(?: now)?|support (?:us|now)|contribute(?: now)?",
    r"view (?:image )?in fullscreen|view image|enlarge|play video|watch live|listen",
    r"(?:follow|like) us(?: on [\w ,&]+)?|get (?:our|the) app",
    r"most (?:read|popular|viewed)|thank you for registering|home|news|by|von|par",
    r"(?:first |last )?(?:published|updated|posted)(?: (?:at|on))?:?",
    r"(?:live|as it happened) ?(?:updated|ended)? ?\d{0,13}|live ?updated",
    rf"(?:{_COUNT} )?(?:kommentare?|commentaires?|comentarios?|comentários?|commenti|reacties"
    rf"|комментари[ий]|комментариев)(?: {_COUNT})?",
    r"teilen|artikel teilen|merken|anzeige|werbung|drucken|nach oben"
    r"|zur startseite|mehr laden|weitere beiträge|link kopieren|abonnieren|anmelden|jetzt abonnieren",
    r"partager|publicité|s'abonner|se connecter|lire plus tard|voir plus|imprimer"
    r"|réagir|offrir|copier le lien|ajouter à vos favoris",
    r"compartir|compartilhar|publicidad|publicidade|suscríbete|suscribirse|iniciar"
    r" sesión|guardar|imprimir|copiar (?:el )?(?:enlace|link)|cargar más|ver más|comentar",
    r"condividi|pubblicità|abbonati|accedi|stampa|carica altri|salva",
    r"delen|advertentie|abonneren|inloggen|meer laden|bewaren",
    r"поделиться|реклама|подписаться|показать еще|показать ещё",
    r"シェア|共有|広告|コメント|評論|评论|分享|广告|تعليقات|مشاركة|إعلان",
)

#: How a line begins that is boilerplate to its end. Regular expressions.
OPENINGS = (
    # donation and membership
    r"your support helps us to tell the story",
    r"from reproductive rights to climate change to big tech",
    r"at such a critical moment in us history, we need reporters on the ground",
    r"the independent is trusted by americans across the entire political spectrum",
    r"your (?:support|donation|contribution) (?:makes all the difference|is what allows us|allows us)",
    r"your donation",
    r"support (?:truly )?independent journalism",
    r"our mission is to deliver unbiased, fact-based reporting",
    r"whether [$£€]\s?\d+ or [$£€]\s?\d+, every contribution counts",
    r"(?:please )?(?:support|fund) (?:us to deliver|our journalism|us from as little as)",
    r"every (?:dollar|pound|euro) you give helps",
    r"since you(?:'re| are) here",
    r"if you (?:can|are able to|value what we do),? (?:please )?(?:consider )?(?:support|contribut|donat)",
    r"become an? [\w' ]{0,40}(?:member|supporter|subscriber)\b",
    r"(?:unterstützen sie|helfen sie mit).{0,60}(?:journalismus|redaktion|uns)\b",
    r"soutenez (?:le journalisme|notre|la presse|une presse|nous)",
    r"(?:apoya|apoye|ayúdanos).{0,40}(?:periodismo|independiente|redacción)",
    # subscription, registration and newsletters
    r"subscribe (?:to|now|today|for) .{0,60}(?:\bto (?:bookmark|read|continue|unlock|get)|newsletter"
    r"|premium|access|today|unlimited|subscription|channel|podcast|for free)",
    r"want to bookmark your favourite articles",
    r"start your [\w ]{0,40}(?:subscription|membership|trial)",
    r"sign up (?:to|for) (?:our|the|all) .{0,80}(?:newsletters?|alerts?|emails?|briefing|updates)",
    r"sign up for the [\w ]+ newsletter|get (?:our|the) .{0,50}newsletter|simply (?:sign up|pop your)",
    r"(?:never miss|don't miss) .{0,60}(?:sign(?:ing)? up|subscrib|newsletter)",
    r"get .{0,60}(?:straight|delivered|sent|direct) to your (?:inbox|phone|email)",
    r"(?:you can )?unsubscribe (?:at any time|from this)|you can unsubscribe",
    r"(?:already|not yet) (?:a (?:subscriber|member)|have an account|registered)\?",
    r"by (?:signing up|subscribing|clicking|registering|entering your email|submitting)",
    r"enter your email|invalid email|we use your sign-up|this site is protected by recaptcha",
    r"stay up to date with notifications|notifications can be managed in browser",
    r"please refresh (?:the|your) (?:page|browser)|please enable javascript",
    r"download (?:the|our) .{0,30}\bapp\b|get the .{0,30}\bapp\b",
    r"follow (?:us|our|the) .{0,40}(?:on|via) (?:facebook|twitter|x|instagram|whatsapp|telegram"
    r"|google|youtube|tiktok|threads|bluesky)",
    r"join (?:us on|our|the) .{0,40}(?:whatsapp|telegram|forum|community|channel|mailing list)",
    r"click here to (?:sign up|subscribe|read more|join|get)",
    r"(?:jetzt |hier )?(?:kostenlos )?(?:abonnieren|bestellen) sie|newsletter (?:abonnieren|bestellen)"
    r"|melden sie sich .{0,60}newsletter|weiterlesen mit|jetzt (?:testen|registrieren)",
    r"(?:inscrivez-vous|abonnez-vous|recevez) .{0,80}(?:newsletter|lettre|infolettre|alertes?|boîte"
    r"|maintenant|gratuit|premium|dès|illimité|à partir)|cet article est réservé aux abonnés",
    r"(?:suscríbete|suscríbase|regístrate|recibe) .{0,80}(?:newsletter|boletín|correo|gratis|premium"
    r"|alertas|para (?:leer|seguir))",
    r"(?:iscriviti|abbonati) .{0,60}(?:newsletter|leggere|premium)|(?:inscreva-se|assine) .{0,60}"
    r"(?:newsletter|boletim|premium|canal)|(?:meld je|schrijf je) .{0,40}(?:aan|in)\b.{0,30}nieuwsbrief",
    r"подпи(?:шитесь|сывайтесь) на|подписывайся на",
    # comments
    r"join our commenting forum|join thought-provoking conversations",
    r"join the (?:conversation|discussion|debate)(?:\b.{0,60})?$",
    r"(?:diskutieren|kommentieren) sie|schreiben sie einen kommentar|participez à la (?:discussion"
    r"|conversation)|únete a la conversación|deja (?:un|tu) comentario",
    r"(?:to )?(?:leave|post|write|view|read) (?:a |the )?comments?\b.{0,60}(?:log|sign|regist)",
    # cookies, consent and the law
    r"(?:we|this (?:web)?site|our partners|we and our).{0,40}\b(?:use|uses|store|using) cookies",
    r"(?:accept|reject|manage|allow|decline) (?:all )?(?:cookies|preferences|settings|and continue)",
    r"(?:cookie|privacy) (?:policy|notice|settings|preferences|consent)\b.{0,40}$",
    r"(?:wir|diese (?:web)?seite|unsere partner).{0,40}\b(?:verwenden|nutzen|setzen|verwendet) .{0,30}"
    r"cookies|alle (?:cookies )?(?:akzeptieren|ablehnen)|datenschutz(?:erklärung|einstellungen)?$",
    r"(?:nous|ce site|nos partenaires).{0,60}\b(?:utilisons|utilise|utilisent|déposons) .{0,20}cookies"
    r"|tout accepter|continuer sans accepter|accepter (?:les cookies|et fermer)",
    r"(?:nosotros|utilizamos|este sitio|usamos).{0,40}cookies|aceptar (?:todo|las cookies|y cerrar)",
    r"(?:©|\(c\)|copyright)\s?.{0,80}$|all rights reserved|alle rechte vorbehalten"
    r"|tous droits réservés|todos los derechos reservados|tutti i diritti riservati",
    r"terms (?:of (?:use|service)|and conditions|& conditions)\b.{0,40}$|do not sell my",
    r"got a tv licence|you need (?:one|a licence) to watch live tv",
    r"read more about these links|please turn on javascript",
    r"(?:listen to|tap here|click here to listen).{0,100}\bpodcasts?\b",
    r"(?:this|our|the) (?:live (?:page|blog|coverage|feed|stream)|blog|page|coverage) (?:is|has) (?:now )?(?:been )?"
    r"(?:closed|ended|moved|over|finished|concluded)\b.{0,40}$",
    r"to display this content from|one of your browser extensions|this video (?:can not|cannot|can't) be"
    r"|allow (?:instagram|twitter|x|facebook|youtube|tiktok|google) content|accept and continue",
)

#: Headings of what stands below the last entry; all that follows one of them there is furniture.
TAIL_HEADINGS = (
    r"related (?:articles|stories|topics|content|links|posts)|more (?:about|on(?: this(?: story| topic)?)?)",
    r"more (?:from|stories|news|like this|in)\b.{0,40}|you (?:may|might) (?:also )?(?:like|enjoy)"
    r".{0,20}|read (?:next|more)|what to read next|recommended(?: (?:for you|stories|reading))?",
    r"most (?:read|popular|viewed|shared|commented)(?: in .{0,30})?|trending(?: now)?|top stories"
    r"|editor'?s'? picks?|popular videos|latest (?:videos|news|stories)|don't miss|bulletin",
    r"topics|tags|explore more|around the (?:web|bbc)|elsewhere on|sponsored (?:content|links)|from the web",
    r"mehr zum thema|das könnte sie (?:auch )?interessieren|meistgelesen|lesen sie auch|schlagwörter"
    r"|weitere (?:artikel|themen|nachrichten)|passend zum thema|themen|verwandte artikel",
    r"sur le même (?:sujet|thème)|à lire aussi|à voir aussi|les plus lus|articles? liés?|à la une"
    r"|lo más (?:leído|visto)|más información|más noticias|noticias relacionadas|te puede interesar"
    r"|temas relacionados|archivado en|potrebbe interessarti|articoli correlati|i più letti"
    r"|leia (?:também|mais)|mais lidas|lees ook|meest gelezen|gerelateerd|читайте также|по теме"
    r"|самое читаемое|関連記事|相关新闻|相關新聞|延伸閱讀|اقرأ أيضا",
)
